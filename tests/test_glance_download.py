"""Imports from another image service, which is a second one of ours here, by the caller's own token (section 2.3.2)."""

from collections.abc import AsyncIterator, Sequence
from random import Random
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pytest_aiohttp.plugin import AiohttpClient

from drivers.memory import MemoryStore
from service.app import make_app
from service.policy.engine import load_policy
from service.settings import Settings
from service.tokens.protocol import Endpoint
from service.tokens.static import StaticVerifier
from tests.callers import CALLERS, people
from tests.conftest import Client, Connect, Listening
from tests.imports import LOOPBACK, METHODS, hashes, imported, outcome, tasks_of
from tests.stores import one_store
from tests.transfers import DATA, created, objects, uploaded

PROPERTIES: dict[str, Any] = {
    "hw_disk_bus": "virtio",
    "os_distro": "debian",
    "trait:CPU": "required",
    "note": "mine",
}


class Catalog(StaticVerifier):
    """Knows the people of the tests, and has other image services in each one's catalog."""

    def __init__(self, *endpoints: Endpoint) -> None:
        super().__init__({f"token-of-{name}": caller for name, caller in CALLERS.items()})
        self._endpoints = endpoints

    async def endpoints(self, token: str, kind: str) -> Sequence[Endpoint]:
        """See TokenVerifier."""
        return self._endpoints


@pytest.fixture
async def remote(aiohttp_client: AiohttpClient) -> Client:
    """Give a client of the other service, which has records of its own."""
    app = make_app(Settings(), MemoryStore(), one_store(), people(), load_policy(None), Random(2))
    return cast("Client", await aiohttp_client(Listening(app)))


@pytest.fixture
async def client(connect: Connect, remote: Client) -> Client:
    """Give a client of a service whose callers have the other one in their catalogs."""
    url = str(remote.make_url("/"))
    verifier = Catalog(Endpoint("east", "public", url), Endpoint("east", "internal", f"{url}v2"))
    return await connect(verifier=verifier, enabled_import_methods=METHODS, **LOOPBACK)


def method(path: str, **more: str) -> dict[str, str]:
    """Give the method that fetches an image of the other service."""
    return {"name": "glance-download", "glance_region": "east", "glance_image_id": path.rpartition("/")[2], **more}


@pytest.mark.parametrize("more", [{}, {"glance_service_interface": "internal"}])
async def test_the_data_comes_with_formats_and_the_properties_that_describe_it(
    client: Client, remote: Client, more: dict[str, str]
) -> None:
    theirs = await uploaded(remote, disk_format="raw", **PROPERTIES)
    path = await created(client, disk_format="qcow2", min_ram=7, os_distro="other")
    image = await imported(client, path, method=method(theirs, **more))
    assert (image["status"], image["disk_format"], image["size"]) == ("active", "raw", len(DATA))
    assert image["min_ram"] == 7
    assert {name: image.get(name) for name in PROPERTIES} == PROPERTIES | {"note": None}
    assert "token-of-ann" not in str(await tasks_of(client, path))


async def test_a_remote_image_that_is_not_there_or_not_active_fails(client: Client, remote: Client) -> None:
    queued = await created(remote)
    for theirs in (queued, "/v2/images/0c4f4e4e-0000-4000-8000-000000000000"):
        path = await created(client)
        image = await imported(client, path, method=method(theirs))
        assert (image["status"], hashes(image)) == ("queued", {None})
        assert "other service" in (await outcome(client, path))[1]


@pytest.fixture
async def lying(connect: Connect) -> AsyncIterator[tuple[Client, dict[str, Any]]]:
    """Give a client of a service whose catalog leads to one that says of an image whatever the test says."""
    record: dict[str, Any] = {"status": "active", "disk_format": "raw", "container_format": "bare", "size": len(DATA)}

    async def show(request: web.Request) -> web.Response:
        return web.json_response(record)

    async def file(request: web.Request) -> web.Response:
        return web.Response(body=DATA)

    app = web.Application()
    app.router.add_get("/v2/images/{id}", show)
    app.router.add_get("/v2/images/{id}/file", file)
    server = TestServer(app)
    await server.start_server()
    verifier = Catalog(Endpoint("east", "public", str(server.make_url("/"))))
    yield await connect(verifier=verifier, enabled_import_methods=METHODS, **LOOPBACK), record
    await server.close()


@pytest.mark.parametrize(
    "lie",
    [
        {"size": len(DATA) + 1},
        {"disk_format": "../etc"},
        {"disk_format": 5},
        {"container_format": None},
        {"hw_x": "nul\0"},
        {"hw_x": "surrogate \ud800"},
        {"hw_" + "n" * 300: "x"},
        {f"hw_{number}": "x" for number in range(200)},
        {"disk_format": "qcow2"},
    ],
)
async def test_what_another_service_says_is_checked_and_undone(
    lying: tuple[Client, dict[str, Any]], lie: dict[str, Any]
) -> None:
    client, record = lying
    record |= lie
    path = await created(client, disk_format="iso", hw_old="kept")
    image = await imported(client, path, method=method(path))
    assert (image["status"], hashes(image)) == ("queued", {None})
    assert (image["disk_format"], image["container_format"], image["hw_old"]) == ("iso", "bare", "kept")
    assert [name for name in image if name.startswith("hw_")] == ["hw_old"]
    assert (await outcome(client, path))[0] == "failure"
    assert await objects(client) == []
