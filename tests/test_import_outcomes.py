"""How imports end over HTTP, on both drivers of records (reference section 2.3.2)."""

import asyncio
import bz2
import gzip
import io
import lzma
import shutil
import zipfile
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from backports import zstd

from drivers.protocol import ImageStore
from drivers.usage import Limits
from service.limits.fixed import FixedLimits
from service.settings import Secret
from tests.callers import by
from tests.conftest import TWO_STORES, Client, Connect
from tests.test_import import LOOPBACK, settled, started, tasks_of
from tests.transfers import DATA, created, objects, put, shown, until

METHODS = ("glance-direct", "web-download", "copy-image")


class Website:
    """A web server whose answers are what a test puts there."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {"/data": DATA}
        self.go = asyncio.Event()
        self.go.set()

    async def answer(self, request: web.Request) -> web.Response:
        """Give what is at the path, once it may."""
        await self.go.wait()
        if request.path not in self.content:
            raise web.HTTPNotFound
        return web.Response(body=self.content[request.path])


@pytest.fixture
async def website() -> Website:
    """Give what the web server has."""
    return Website()


@pytest.fixture
async def base(website: Website) -> AsyncIterator[str]:
    """Give the web server's address."""
    app = web.Application()
    app.router.add_get("/{tail:.*}", website.answer)
    server = TestServer(app)
    await server.start_server()
    yield str(server.make_url("")).rstrip("/")
    await server.close()


@pytest.fixture
async def broken(connect: Connect, tmp_path: Path) -> Client:
    """Give a client of a service with a good store and one whose folder is lost."""
    stores = Secret(f"good=file://{tmp_path}/good,bad=file://{tmp_path}/bad,best=file://{tmp_path}/best")
    client = await connect(stores=stores, enabled_import_methods=METHODS, **LOOPBACK)
    shutil.rmtree(tmp_path / "bad")
    (tmp_path / "bad").write_text("in the way")
    return client


def download(base: str, path: str = "/data", **more: Any) -> dict[str, Any]:
    """Say an import from the web server."""
    return {"method": {"name": "web-download", "uri": f"{base}{path}"}} | more


async def failure(client: Client, path: str) -> str:
    """Give why the only task of an image failed."""
    (task,) = await tasks_of(client, path)
    assert task["status"] == "failure"
    return str(task["message"])


async def kept(client: Client, tmp_path: Path) -> list[bytes]:
    """List all files of the stores, after a sweep."""
    (tmp_path / "bad").unlink()
    (tmp_path / "bad").mkdir()
    return await objects(client)


async def test_one_store_that_fails_undoes_a_download_into_all(broken: Client, base: str, tmp_path: Path) -> None:
    path = await created(broken)
    await started(broken, path, **download(base, stores=["good", "bad", "best"]))
    image = await settled(broken, path)
    assert image["status"] == "queued"
    assert image["os_glance_failed_import"] == "bad,best,good"
    assert image["os_glance_importing_to_stores"] == ""
    assert {image[name] for name in ("size", "checksum", "os_hash_value")} == {None}
    assert "bad" in await failure(broken, path)
    assert await kept(broken, tmp_path) == []


async def test_one_store_that_fails_leaves_the_others_where_that_is_allowed(broken: Client, base: str) -> None:
    path = await created(broken)
    await started(broken, path, **download(base, stores=["bad", "good"], all_stores_must_succeed=False))
    image = await settled(broken, path)
    assert (image["status"], image["stores"], image["os_glance_failed_import"]) == ("active", "good", "bad")
    (task,) = await tasks_of(broken, path)
    assert task["status"] == "success"


async def test_no_store_that_works_leaves_the_image_queued(broken: Client, base: str) -> None:
    path = await created(broken)
    await started(broken, path, **download(base, stores=["bad"], all_stores_must_succeed=False))
    image = await settled(broken, path)
    assert (image["status"], image["os_glance_failed_import"]) == ("queued", "bad")
    await failure(broken, path)


async def test_staged_data_that_cannot_be_kept_leaves_the_image_importing_as_in_glance(
    broken: Client, tmp_path: Path
) -> None:
    path = await created(broken)
    assert await put(broken, path, to="stage") == 204
    await started(broken, path, method={"name": "glance-direct"}, stores=["good", "bad"])
    image = await settled(broken, path)
    assert (image["status"], image["os_glance_failed_import"]) == ("importing", "bad")
    assert image["checksum"] is None
    assert (await broken.delete(path, headers=by("ann"))).status == 204
    assert await kept(broken, tmp_path) == []


async def test_staged_data_of_another_format_is_never_active(connect: Connect) -> None:
    client = await connect(enabled_import_methods=METHODS)
    path = await created(client, disk_format="qcow2")
    assert await put(client, path, to="stage") == 204
    await started(client, path, method={"name": "glance-direct"})
    assert (await settled(client, path))["status"] == "importing"
    assert "does not match" in await failure(client, path)
    assert await objects(client) == []


async def test_a_copy_that_fails_leaves_the_image_as_it_was(broken: Client) -> None:
    path = await created(broken)
    assert await put(broken, path) == 204
    await started(broken, path, "admin", method={"name": "copy-image"}, stores=["best", "bad"])
    image = await settled(broken, path)
    assert (image["status"], image["stores"], image["os_glance_failed_import"]) == ("active", "good", "bad")
    assert await (await broken.get(f"{path}/file", headers=by("ann"))).read() == DATA


@pytest.fixture
async def several(connect: Connect) -> Client:
    """Give a client of a service with two stores."""
    return await connect(stores=TWO_STORES, enabled_import_methods=METHODS, **LOOPBACK)


async def test_an_image_is_imported_by_one_request_at_a_time(several: Client, website: Website, base: str) -> None:
    website.go.clear()
    path = await created(several)
    statuses = []

    async def ask() -> None:
        response = await several.post(f"{path}/import", json=download(base), headers=by("ann"))
        statuses.append(response.status)

    await asyncio.gather(*(ask() for _ in range(8)))
    website.go.set()
    assert sorted(statuses) == [202] + [409] * 7
    assert (await settled(several, path))["status"] == "active"


async def test_an_image_that_is_deleted_meanwhile_leaves_nothing(several: Client, website: Website, base: str) -> None:
    website.go.clear()
    path = await created(several)
    await started(several, path, **download(base))
    assert (await several.delete(path, headers=by("ann"))).status == 204
    website.go.set()
    async with asyncio.timeout(10):
        while await objects(several):  # noqa: ASYNC110 - what is waited for happens in the service
            await asyncio.sleep(0.05)


async def test_a_copy_of_what_is_everywhere_already_does_nothing(several: Client) -> None:
    path = await created(several)
    assert await put(several, path) == 204
    for _ in range(2):
        await started(several, path, "admin", method={"name": "copy-image"}, all_stores=True)
        assert (await settled(several, path))["stores"] == "fast,slow"
    assert len(await tasks_of(several, path)) == 0
    response = await several.get(f"{path}/tasks", headers=by("admin"))
    assert len((await response.json())["tasks"]) == 1


async def test_a_quota_that_imports_would_overshoot_holds(connect: Connect, website: Website, base: str) -> None:
    limits = FixedLimits(Limits(bytes=len(DATA) * 2 + 10))
    client = await connect(
        limits=limits, stores=TWO_STORES, enabled_import_methods=METHODS, import_workers=8, **LOOPBACK
    )
    paths = [await created(client) for _ in range(6)]
    for path in paths:
        await started(client, path, **download(base))
    statuses = [(await settled(client, path))["status"] for path in paths]
    assert 1 <= statuses.count("active") <= 2
    assert set(statuses) <= {"active", "queued"}


def zipped(data: bytes) -> bytes:
    """Compress to a zip of one file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("disk.raw", data)
    return file.getvalue()


def zipped_twice(data: bytes) -> bytes:
    """Compress to a zip of two files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", data)
        archive.writestr("b", data)
    return file.getvalue()


COMPRESSED = {
    "gzip": gzip.compress(DATA),
    "two gzips": gzip.compress(DATA[:1000]) + gzip.compress(DATA[1000:]),
    "bzip2": bz2.compress(DATA),
    "xz": lzma.compress(DATA),
    "zstd": zstd.compress(DATA),
    "zip": zipped(DATA),
}


@pytest.fixture
async def unfolding(connect: Connect) -> Client:
    """Give a client of a service that unfolds what it imports."""
    return await connect(
        stores=TWO_STORES, enabled_import_methods=METHODS, image_import_plugins=("image_decompression",), **LOOPBACK
    )


@pytest.mark.parametrize("kind", COMPRESSED)
async def test_compressed_data_is_unfolded_into_every_store(
    unfolding: Client, website: Website, base: str, kind: str
) -> None:
    website.content["/packed"] = COMPRESSED[kind]
    path = await created(unfolding)
    await started(unfolding, path, **download(base, "/packed", all_stores=True))
    image = await settled(unfolding, path)
    assert (image["status"], image["size"], image["stores"]) == ("active", len(DATA), "fast,slow")
    assert await objects(unfolding) == [DATA, DATA]


@pytest.mark.parametrize(
    "packed",
    [
        COMPRESSED["gzip"][:-100],
        COMPRESSED["xz"][:-100],
        COMPRESSED["zip"][:-200],
        COMPRESSED["gzip"] + b"and more",
        zipped_twice(DATA),
        zstd.compress(bytes(100 << 20)),
    ],
    ids=["half a gzip", "half an xz", "half a zip", "a gzip and more", "two files", "a bomb"],
)
async def test_what_is_not_unfolded_whole_or_grows_beyond_measure_is_refused(
    unfolding: Client, website: Website, base: str, packed: bytes
) -> None:
    website.content["/packed"] = packed
    path = await created(unfolding)
    await started(unfolding, path, **download(base, "/packed"))
    assert (await settled(unfolding, path))["status"] == "queued"
    assert await failure(unfolding, path)
    assert await objects(unfolding) == []


async def test_data_that_is_to_stay_compressed_does(unfolding: Client, website: Website, base: str) -> None:
    website.content["/packed"] = COMPRESSED["gzip"]
    path = await created(unfolding, container_format="compressed")
    await started(unfolding, path, **download(base, "/packed"))
    assert (await settled(unfolding, path))["size"] == len(COMPRESSED["gzip"])


async def test_the_operators_properties_are_put_on_what_users_import(connect: Connect, base: str) -> None:
    client = await connect(
        image_import_plugins=("inject_image_metadata",),
        inject_metadata_properties=("origin:import", "os_glance_x:no"),
        **LOOPBACK,
    )
    for name, expected in (("ann", "import"), ("admin", None)):
        path = await created(client, name)
        await started(client, path, name, **download(base))
        await until(partial(_is_active, client, path))
        image = await shown(client, path, "admin")
        assert image.get("origin") == expected
        assert "os_glance_x" not in image


async def _is_active(client: Client, path: str) -> bool:
    return bool((await shown(client, path, "admin"))["status"] == "active")


async def test_another_process_goes_on_with_what_one_left_half_done(
    connect: Connect, store: ImageStore, website: Website, base: str
) -> None:
    """The first process stops while it downloads, and the second finds the task."""
    website.go.clear()
    settings = {"enabled_import_methods": METHODS, "lease_seconds": 0.9, **LOOPBACK}
    first = await connect(**settings)
    path = await created(first)
    await started(first, path, **download(base))
    await asyncio.sleep(0.2)
    await first.close()
    second = await connect(**settings)
    website.go.set()
    assert (await settled(second, path))["status"] == "active"
    assert await (await second.get(f"{path}/file", headers=by("ann"))).read() == DATA
