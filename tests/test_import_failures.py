"""Imports that fail: what is left of each, and that its owner can read why (reference section 2.3.2, the outcomes)."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from drivers.usage import Limits
from service.limits.fixed import FixedLimits
from service.settings import Secret
from tests.callers import by
from tests.conftest import Client, Connect
from tests.disks import qcow2
from tests.imports import (
    COPY,
    DIRECT,
    LOOPBACK,
    asked,
    download,
    half,
    hashes,
    imported,
    lists,
    outcome,
    serving_data,
    settled,
    staged,
    started,
    tasks_of,
)
from tests.transfers import DATA, created, objects, shown, until, uploaded
from tests.web_server import scripted

BOTH = ["fast", "slow"]


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """Give the folder of the store `slow`; the store fails as long as it is away."""
    return tmp_path / "slow"


@pytest.fixture
async def client(connect: Connect, slow: Path) -> Client:
    """Give a client of a service with two stores, one of which can be broken."""
    stores = Secret(f"fast=memory://?weight=100,slow=file://{slow}")
    return await connect(stores=stores, **LOOPBACK)


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    """Give a web server that has the data."""
    async with serving_data() as server:
        yield server


def broken(slow: Path) -> None:
    """Take the folder of a store away."""
    slow.rename(slow.with_name("elsewhere"))


def mended(slow: Path) -> None:
    """Put it back."""
    slow.with_name("elsewhere").rename(slow)


@pytest.mark.parametrize("at", ["/nothing", "/data"])
async def test_a_download_that_fails_leaves_a_queued_image_to_be_imported_again(
    client: Client, slow: Path, server: TestServer, at: str
) -> None:
    path = await created(client)
    broken(slow)
    image = await imported(client, path, method=download(server, at), stores=BOTH)
    mended(slow)
    assert (image["status"], lists(image), hashes(image)) == ("queued", ("", "fast,slow"), {None})
    assert (image["size"], image["virtual_size"], image.get("stores")) == (None, None, None)
    status, message = await outcome(client, path)
    assert (status, ("404" in message) or ("Store slow: " in message)) == ("failure", True)
    assert await objects(client) == []
    image = await imported(client, path, method=download(server), stores=BOTH)
    assert (image["status"], image["stores"], lists(image)) == ("active", "fast,slow", ("", ""))


async def test_staged_data_that_one_store_does_not_take_is_gone_and_the_image_can_only_be_deleted(
    client: Client, slow: Path
) -> None:
    path = await staged(client)
    broken(slow)
    image = await imported(client, path, method=DIRECT, stores=BOTH)
    mended(slow)
    assert (image["status"], lists(image), hashes(image)) == ("importing", ("", "slow"), {None})
    status, message = await outcome(client, path)
    assert (status, "Store slow: " in message) == ("failure", True)
    assert await objects(client) == []
    assert (await asked(client, path, method=DIRECT))[0] == 409
    assert (await client.delete(path, headers=by("ann"))).status == 204


@pytest.mark.parametrize("order", [BOTH, BOTH[::-1]])
async def test_where_stores_may_fail_those_that_work_are_enough(client: Client, slow: Path, order: list[str]) -> None:
    path = await staged(client)
    broken(slow)
    image = await imported(client, path, method=DIRECT, stores=order, all_stores_must_succeed=False)
    mended(slow)
    assert (image["status"], image["stores"], lists(image)) == ("active", "fast", ("", "slow"))
    status, message = await outcome(client, path)
    assert (status, "Store slow: " in message) == ("success", True)
    assert await objects(client) == [DATA]


async def test_where_every_store_fails_the_image_is_queued(client: Client, slow: Path) -> None:
    path = await staged(client)
    broken(slow)
    image = await imported(client, path, method=DIRECT, stores=["slow"], all_stores_must_succeed=False)
    mended(slow)
    assert (image["status"], lists(image), hashes(image)) == ("queued", ("", "slow"), {None})
    status, message = await outcome(client, path)
    assert (status, "Store slow: " in message) == ("failure", True)
    assert await objects(client) == []


@pytest.mark.parametrize("must", [True, False])
async def test_a_copy_that_fails_leaves_the_image_as_it_was(client: Client, slow: Path, must: bool) -> None:
    path = await uploaded(client)
    broken(slow)
    image = await imported(client, path, "admin", method=COPY, stores=["slow"], all_stores_must_succeed=must)
    mended(slow)
    assert (image["status"], image["stores"], lists(image)) == ("active", "fast", ("", "slow"))
    (task,) = await tasks_of(client, path)
    assert (task["status"], "Store slow: " in task["message"]) == ("failure" if must else "success", True)
    assert await objects(client) == [DATA]
    image = await imported(client, path, "admin", method=COPY, stores=["slow"])
    assert (image["stores"], lists(image)) == ("fast,slow", ("", ""))


@pytest.mark.parametrize("must", [True, False])
async def test_content_that_is_not_what_the_record_says_is_not_kept(client: Client, must: bool) -> None:
    path = await staged(client, qcow2(backing=b"/etc/passwd"), disk_format="qcow2")
    image = await imported(client, path, method=DIRECT, stores=BOTH, all_stores_must_succeed=must)
    assert (image["status"], hashes(image)) == ("importing" if must else "queued", {None})
    assert lists(image) == ("", "fast" if must else "fast,slow")
    status, message = await outcome(client, path)
    assert (status, "safety checks" in message) == ("failure", True)
    assert await objects(client) == []


async def test_more_than_the_cap_is_not_imported(connect: Connect, server: TestServer) -> None:
    client = await connect(image_size_cap=len(DATA) - 1, **LOOPBACK)
    for at in ("/data", "/chunked"):
        path = await created(client)
        assert (await imported(client, path, method=download(server, at)))["status"] == "queued"
        assert "bytes of an image would be exceeded" in (await outcome(client, path))[1]
    assert await objects(client) == []


async def test_a_project_without_room_gets_its_image_back_queued(connect: Connect, server: TestServer) -> None:
    client = await connect(limits=FixedLimits(Limits(bytes=len(DATA) + 1)), **LOOPBACK)
    paths = [await created(client) for _ in range(3)]
    for path in paths:
        await started(client, path, method=download(server, "/chunked"))
    images = [await settled(client, path) for path in paths]
    assert sorted(image["status"] for image in images) == ["active", "queued", "queued"]
    assert await objects(client) == [DATA]
    failed = next(path for path, image in zip(paths, images, strict=True) if image["status"] == "queued")
    assert "bytes of a project's images would be exceeded" in (await outcome(client, failed))[1]


async def test_more_imports_at_once_than_a_project_may_have_are_queued_again(
    connect: Connect, server: TestServer
) -> None:
    client = await connect(limits=FixedLimits(Limits(uploading=0)), **LOOPBACK)
    path = await created(client)
    assert (await imported(client, path, method=download(server)))["status"] == "queued"
    assert (await outcome(client, path))[0] == "failure"


async def test_one_import_at_a_time_works_on_an_image_and_deleting_the_image_ends_it(connect: Connect) -> None:
    client = await connect(lease_seconds=0.6, **LOOPBACK)
    path = await created(client)
    async with scripted(half) as web:
        method = {"name": "web-download", "uri": web.url}
        assert sorted([(await asked(client, path, method=method))[0] for _ in range(3)]) == [202, 409, 409]

        async def has_begun() -> bool:
            return bool(web.requests) and (await shown(client, path))["status"] == "importing"

        await until(has_begun)
        assert (await asked(client, path, method=method))[0] == 409
        assert (await client.delete(path, headers=by("ann"))).status == 204

        async def is_over() -> bool:
            async with client.get("/v2/tasks", headers=by("admin")) as response:
                (task,) = (await response.json())["tasks"]
            return task["status"] == "failure" and await objects(client) == []

        await until(is_over)


async def test_compressed_data_that_is_broken_sends_the_image_back_to_the_queue(connect: Connect) -> None:
    client = await connect(image_import_plugins=("image_decompression",))
    path = await staged(client, gzip.compress(DATA)[:-20])
    assert (await imported(client, path, method=DIRECT))["status"] == "queued"
    assert "ends early" in (await outcome(client, path))[1]
