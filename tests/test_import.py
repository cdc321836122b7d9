"""Imports over HTTP, on both drivers of records (reference section 2.3)."""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.callers import by
from tests.conftest import TWO_STORES, Client, Connect
from tests.transfers import DATA, OCTETS, created

LOOPBACK = {"fetch_allowed_networks": ("127.0.0.0/8",), "allowed_ports": ()}
METHODS = ("glance-direct", "web-download", "copy-image")


@pytest.fixture
async def several(connect: Connect) -> Client:
    """Give a client of a service with two stores, which may fetch from this machine."""
    return await connect(stores=TWO_STORES, enabled_import_methods=METHODS, **LOOPBACK)


@pytest.fixture
async def web_server() -> AsyncIterator[TestServer]:
    """Give a web server that has the data."""

    async def data(request: web.Request) -> web.Response:
        return web.Response(body=DATA)

    app = web.Application()
    app.router.add_get("/data", data)
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


async def started(client: Client, path: str, name: str = "ann", **body: Any) -> None:
    """Ask for an import."""
    response = await client.post(f"{path}/import", json=body, headers=by(name))
    assert response.status == 202, await response.text()


async def settled(client: Client, path: str) -> dict[str, Any]:
    """Wait until no task works on an image; give it."""
    while True:
        image: dict[str, Any] = await (await client.get(path, headers=by("ann"))).json()
        if "os_glance_import_task" not in image:
            return image
        await asyncio.sleep(0.02)


async def tasks_of(client: Client, path: str) -> list[dict[str, Any]]:
    """List the tasks of an image."""
    return list((await (await client.get(f"{path}/tasks", headers=by("ann"))).json())["tasks"])


async def test_what_was_staged_is_imported_into_every_store_that_was_named(several: Client) -> None:
    path = await created(several)
    response = await several.put(f"{path}/stage", data=io.BytesIO(DATA), headers=by("ann", **OCTETS))
    assert response.status == 204, await response.text()
    await started(several, path, method={"name": "glance-direct"}, stores=["slow", "fast"])
    image = await settled(several, path)
    assert (image["status"], image["stores"], image["size"]) == ("active", "fast,slow", len(DATA))
    assert image["os_hash_value"] == hashlib.sha512(DATA).hexdigest()
    assert (image["os_glance_importing_to_stores"], image["os_glance_failed_import"]) == ("", "")
    (task,) = await tasks_of(several, path)
    assert (task["status"], task["result"]) == ("success", {"image_id": image["id"]})
    assert await (await several.get(f"{path}/file", headers=by("ann"))).read() == DATA


async def test_a_url_is_downloaded(several: Client, web_server: TestServer) -> None:
    path = await created(several)
    uri = str(web_server.make_url("/data"))
    await started(several, path, method={"name": "web-download", "uri": uri})
    image = await settled(several, path)
    assert (image["status"], image["stores"]) == ("active", "fast")
    await started(several, path, "admin", method={"name": "copy-image"}, stores=["slow"])
    image = await settled(several, path)
    assert (image["status"], image["stores"]) == ("active", "fast,slow")


async def test_a_url_that_has_nothing_leaves_the_image_queued_and_tells_why(
    several: Client, web_server: TestServer
) -> None:
    path = await created(several)
    uri = str(web_server.make_url("/nothing"))
    await started(several, path, method={"name": "web-download", "uri": uri}, all_stores=True)
    image = await settled(several, path)
    assert (image["status"], image["os_glance_failed_import"]) == ("queued", "fast,slow")
    (task,) = await tasks_of(several, path)
    assert task["status"] == "failure"
    assert "404" in task["message"]


async def test_a_region_that_the_callers_catalog_does_not_have_fails_as_a_task(connect: Connect) -> None:
    client = await connect(enabled_import_methods=("glance-download",))
    path = await created(client, hw_cpu_cores="1")
    elsewhere = {"glance_image_id": "36d4b546-64a2-4bb9-bdd0-ba676aa48f2c", "glance_region": "no region"}
    await started(client, path, method={"name": "glance-download"} | elsewhere)
    image = await settled(client, path)
    assert (image["status"], image["hw_cpu_cores"]) == ("queued", "1")
    (task,) = await tasks_of(client, path)
    assert (task["status"], "region" in task["message"]) == ("failure", True)
