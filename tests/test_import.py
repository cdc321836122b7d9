"""Imports that succeed, over HTTP, on both drivers of records (reference section 2.3.2)."""

import hashlib
from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestServer

from tests.callers import by
from tests.conftest import TWO_STORES, Client, Connect
from tests.imports import (
    COPY,
    DIRECT,
    LOOPBACK,
    METHODS,
    asked,
    download,
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
from tests.transfers import DATA, created, objects, shown, status_of, uploaded
from tests.web_server import answer, scripted

SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
async def several(connect: Connect) -> Client:
    """Give a client of a service with two stores, which may fetch from this machine."""
    return await connect(stores=TWO_STORES, enabled_import_methods=METHODS, **LOOPBACK)


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    """Give a web server that has the data."""
    async with serving_data() as server:
        yield server


async def test_what_was_staged_is_imported_into_every_store_that_was_named(several: Client) -> None:
    path = await staged(several)
    image = await imported(several, path, method=DIRECT, stores=["slow", "fast"])
    assert (image["status"], image["stores"], image["size"]) == ("active", "fast,slow", len(DATA))
    assert hashes(image) == {hashlib.md5(DATA).hexdigest(), hashlib.sha512(DATA).hexdigest()}
    assert lists(image) == ("", "")
    (task,) = await tasks_of(several, path, "ann")
    assert (task["status"], task["result"]) == ("success", {"image_id": image["id"]})
    assert task["message"] == "Copied 1 MiB"
    assert await (await several.get(f"{path}/file", headers=by("ann"))).read() == DATA
    assert await objects(several) == [DATA, DATA]


async def test_the_task_tells_who_asked_for_what(several: Client) -> None:
    path = await staged(several)
    body = {"method": DIRECT, "all_stores": True, "other": 1}
    response = await several.post(f"{path}/import", json=body, headers=by("ann"))
    assert (response.status, await response.read()) == (202, b"")
    await settled(several, path)
    (task,) = await tasks_of(several, path)
    image_id = path.rpartition("/")[2]
    assert task["request_id"] == response.headers["x-openstack-request-id"]
    assert task["input"] == {"image_id": image_id, "import_req": body, "backend": ["fast", "slow"]}
    assert (task["owner"], task["user_id"], task["image_id"]) == ("p1", "ann", image_id)


@pytest.mark.parametrize("at", ["/data", "/chunked"])
async def test_a_url_is_downloaded_and_copied_on(several: Client, server: TestServer, at: str) -> None:
    path = await created(several)
    image = await imported(several, path, method=download(server, at))
    assert (image["status"], image["stores"], image["size"]) == ("active", "fast", len(DATA))
    image = await imported(several, path, "admin", method=COPY, stores=["slow"])
    assert (image["status"], image["stores"], lists(image)) == ("active", "fast,slow", ("", ""))
    assert await objects(several) == [DATA, DATA]


async def test_an_image_can_be_read_while_it_is_copied(several: Client) -> None:
    path = await uploaded(several)
    await started(several, path, "admin", method=COPY, all_stores=True)
    assert await status_of(several, path) == "active"
    assert await (await several.get(f"{path}/file", headers=by("ann"))).read() == DATA
    assert (await settled(several, path))["stores"] == "fast,slow"


async def test_nothing_left_to_copy_is_no_task(several: Client) -> None:
    path = await uploaded(several)
    status, text = await asked(several, path, "admin", method=COPY, stores=["fast"])
    assert (status, "Image is already present at store" in text) == (400, True)
    await imported(several, path, "admin", method=COPY, all_stores=True)
    await started(several, path, "admin", method=COPY, all_stores=True)
    assert len(await tasks_of(several, path)) == 1


async def test_a_download_that_breaks_off_is_resumed_where_it_broke(several: Client) -> None:
    half = len(DATA) // 2
    whole = answer("200 OK", DATA, ETag='"1"', Accept_Ranges="bytes")
    rest = answer(
        "206 Partial Content", DATA[half:], ETag='"1"', Content_Range=f"bytes {half}-{len(DATA) - 1}/{len(DATA)}"
    )
    path = await created(several)
    async with scripted(whole[: len(whole) - (len(DATA) - half)], rest) as server:
        image = await imported(several, path, method={"name": "web-download", "uri": server.url})
        assert len(server.requests) == 2
        assert f"Range: bytes={half}-" in server.requests[1]
    assert (image["status"], image["os_hash_value"]) == ("active", hashlib.sha512(DATA).hexdigest())


class TestExpectedHash:
    """An addition: the hash that a download has to have, whatever algorithm its publisher chose."""

    @pytest.mark.parametrize("value", [SHA256, SHA256.upper()])
    async def test_the_right_one_passes(self, several: Client, server: TestServer, value: str) -> None:
        path = await created(several)
        image = await imported(
            several, path, method=download(server, os_hash_algo="sha256", os_hash_value=value), all_stores=True
        )
        assert (image["status"], image["os_hash_algo"]) == ("active", "sha512")

    async def test_another_one_leaves_nothing(self, several: Client, server: TestServer) -> None:
        path = await created(several)
        method = download(server, os_hash_algo="sha256", os_hash_value="0" * 64)
        image = await imported(several, path, method=method)
        assert (image["status"], lists(image), hashes(image)) == ("queued", ("", "fast"), {None})
        assert await outcome(several, path) == ("failure", f"The data has another sha256 hash: {SHA256}.")
        assert await objects(several) == []

    @pytest.mark.parametrize(
        "told",
        [
            {"os_hash_algo": "sha256"},
            {"os_hash_value": SHA256},
            {"os_hash_algo": "crc32", "os_hash_value": "00000000"},
            {"os_hash_algo": "sha512", "os_hash_value": SHA256},
            {"os_hash_algo": "sha256", "os_hash_value": "z" * 64},
        ],
    )
    async def test_half_a_hash_or_none_is_400(self, several: Client, server: TestServer, told: dict[str, str]) -> None:
        path = await created(several)
        assert (await asked(several, path, method=download(server, **told)))[0] == 400
        assert "os_glance_import_task" not in await shown(several, path)


async def test_a_region_that_the_callers_catalog_does_not_have_fails_as_a_task(connect: Connect) -> None:
    client = await connect(enabled_import_methods=("glance-download",))
    path = await created(client, hw_cpu_cores="1")
    elsewhere = {"glance_image_id": "36d4b546-64a2-4bb9-bdd0-ba676aa48f2c", "glance_region": "no region"}
    await started(client, path, method={"name": "glance-download"} | elsewhere)
    image = await settled(client, path)
    assert (image["status"], image["hw_cpu_cores"]) == ("queued", "1")
    (task,) = await tasks_of(client, path)
    assert (task["status"], "region" in task["message"]) == ("failure", True)
