"""The locations API over HTTP, on both drivers of records (reference section 2.7), and its rules of trust."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from service.caller import Caller
from service.settings import Secret
from service.tokens.static import StaticVerifier
from tests.callers import CALLERS, by
from tests.conftest import Client, Connect
from tests.transfers import DATA, created, put, shown, until

STORES = Secret("fast=memory://?weight=100,slow=memory://?weight=50,web=http://")
SERVICE = Caller(user_id="cinder", project_id="p1", roles=frozenset({"service", "member", "reader"}))


@pytest.fixture
async def website() -> AsyncIterator[TestServer]:
    """Give a web server that has the data."""

    async def data(request: web.Request) -> web.Response:
        return web.Response(body=DATA)

    app = web.Application()
    app.router.add_get("/data", data)
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


@pytest.fixture
async def client(connect: Connect) -> Client:
    """Give a client of a service that may read from this machine; one caller more is a service."""
    tokens = {f"token-of-{name}": caller for name, caller in CALLERS.items()} | {"token-of-cinder": SERVICE}
    return await connect(
        verifier=StaticVerifier(tokens), stores=STORES, fetch_allowed_networks=("127.0.0.0/8",), lease_seconds=2.0
    )


async def add(client: Client, path: str, url: object, name: str = "ann", **more: Any) -> int:
    """Tell where an image's data is; give the status of the answer."""
    response = await client.post(f"{path}/locations", json={"url": url, **more}, headers=by(name))
    return response.status


async def settled(client: Client, path: str) -> dict[str, Any]:
    """Wait until no task works on an image; give it."""

    async def is_settled() -> bool:
        return "os_glance_import_task" not in await shown(client, path)

    await until(is_settled)
    return await shown(client, path)


async def task_of(client: Client, path: str) -> dict[str, Any]:
    """Give the only task of an image."""
    (task,) = (await (await client.get(f"{path}/tasks", headers=by("ann"))).json())["tasks"]
    return dict(task)


def sha256(data: bytes) -> dict[str, str]:
    """Say a hash as `validation_data` does."""
    return {"os_hash_algo": "sha256", "os_hash_value": hashlib.sha256(data).hexdigest()}


async def test_a_url_of_the_web_becomes_an_images_data_and_is_hashed(client: Client, website: TestServer) -> None:
    path = await created(client)
    url = str(website.make_url("/data"))
    assert await add(client, path, url) == 202
    image = await settled(client, path)
    assert (image["status"], image["size"], image["stores"]) == ("active", len(DATA), "web")
    assert (image["os_hash_algo"], image["os_hash_value"]) == ("sha512", hashlib.sha512(DATA).hexdigest())
    assert (await task_of(client, path))["status"] == "success"
    response = await client.get(f"{path}/locations", headers=by("cinder"))
    assert await response.json() == [{"url": url, "metadata": {"store": "web"}}]
    assert await (await client.get(f"{path}/file", headers=by("ann"))).read() == DATA


async def test_data_that_hashes_as_told_is_active_with_that_hash(client: Client, website: TestServer) -> None:
    path = await created(client)
    assert await add(client, path, str(website.make_url("/data")), validation_data=sha256(DATA)) == 202
    image = await settled(client, path)
    assert image["status"] == "active"
    assert {name: image[name] for name in ("os_hash_algo", "os_hash_value")} == sha256(DATA)


async def test_clients_that_know_no_hash_send_an_empty_object(client: Client, website: TestServer) -> None:
    # glanceclient does, and so cinder.
    path = await created(client)
    assert await add(client, path, str(website.make_url("/data")), validation_data={}) == 202
    image = await settled(client, path)
    assert (image["status"], image["os_hash_value"]) == ("active", hashlib.sha512(DATA).hexdigest())


async def test_data_that_hashes_otherwise_is_never_active(client: Client, website: TestServer) -> None:
    path = await created(client)
    assert await add(client, path, str(website.make_url("/data")), validation_data=sha256(b"other")) == 202
    image = await settled(client, path)
    assert image["status"] == "queued"
    assert {image[name] for name in ("checksum", "os_hash_algo", "os_hash_value", "size")} == {None}
    assert (await task_of(client, path))["status"] == "failure"


async def test_without_hashing_what_is_told_is_believed(connect: Connect, website: TestServer) -> None:
    client = await connect(stores=STORES, fetch_allowed_networks=("127.0.0.0/8",), do_secure_hash=False)
    path = await created(client)
    assert await add(client, path, str(website.make_url("/data")), validation_data=sha256(b"other")) == 202
    image = await settled(client, path)
    assert image["status"] == "active"
    assert {name: image[name] for name in ("os_hash_algo", "os_hash_value")} == sha256(b"other")


async def test_what_is_not_there_leaves_the_image_queued_and_the_task_says_why(
    client: Client, website: TestServer
) -> None:
    path = await created(client)
    assert await add(client, path, str(website.make_url("/nothing"))) == 202
    assert (await settled(client, path))["status"] == "queued"
    task = await task_of(client, path)
    assert task["status"] == "failure"
    assert "404" in task["message"]


@pytest.mark.parametrize(
    "validation",
    [
        "x",
        {"os_hash_algo": "sha256"},
        {"os_hash_value": "00"},
        {"os_hash_algo": "crc32", "os_hash_value": "00"},
        {"os_hash_algo": "sha256", "os_hash_value": "zz" * 32},
        {"os_hash_algo": "sha256", "os_hash_value": "00"},
        {"os_hash_algo": "sha256", "os_hash_value": 7},
        {"os_hash_algo": "sha256", "os_hash_value": "00" * 32, "more": "x"},
    ],
    ids=repr,
)
async def test_a_hash_that_is_none_is_refused_and_nothing_kept(
    client: Client, website: TestServer, validation: object
) -> None:
    path = await created(client)
    assert await add(client, path, str(website.make_url("/data")), validation_data=validation) == 400
    image = await shown(client, path)
    assert (image["status"], "os_glance_import_task" in image) == ("queued", False)


@pytest.mark.parametrize("url", [None, 7, "", "x" * 3000, ["http://x/"]])
async def test_a_url_that_is_no_text_is_refused(client: Client, url: object) -> None:
    assert await add(client, await created(client), url) == 400


@pytest.mark.parametrize("url", ["memory:///x", "file:///etc/passwd", "s3://bucket/x", "cinder://volume", "x"])
async def test_who_is_no_service_may_only_tell_of_web_servers(client: Client, url: str) -> None:
    assert await add(client, await created(client), url) == 403


async def test_a_service_may_tell_of_an_object_of_our_store_but_never_of_another_images(client: Client) -> None:
    """LP 1546507: whoever knows a location could put it on an own image, delete that, and the victim's data with it."""
    victim = await created(client)
    assert await put(client, victim) == 204
    (location,) = await (await client.get(f"{victim}/locations", headers=by("cinder"))).json()
    path = await created(client)
    assert await add(client, path, location["url"], "cinder") == 400
    assert (await client.delete(path, headers=by("ann"))).status == 204
    assert await (await client.get(f"{victim}/file", headers=by("ann"))).read() == DATA


async def test_an_image_that_has_data_takes_none_from_elsewhere(client: Client, website: TestServer) -> None:
    """OSSN-0065: nobody replaces the data of an active image."""
    path = await created(client)
    assert await put(client, path) == 204
    assert await add(client, path, str(website.make_url("/data"))) == 409


async def test_an_image_without_formats_takes_no_location(client: Client, website: TestServer) -> None:
    path = await created(client, disk_format=None)
    assert await add(client, path, str(website.make_url("/data"))) == 409


async def test_locations_are_told_to_services_only(client: Client) -> None:
    path = await created(client)
    assert (await client.get(f"{path}/locations", headers=by("ann"))).status == 403
    assert (await client.get(f"{path}/locations", headers=by("bob"))).status == 404
    response = await client.get(f"{path}/locations", headers=by("cinder"))
    assert await response.json() == []


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "[::1]", "[::ffff:127.0.0.1]"])
async def test_private_addresses_are_not_read_from_unless_the_operator_says_so(connect: Connect, host: str) -> None:
    client = await connect(stores=STORES)
    path = await created(client)
    if await add(client, path, f"http://{host}/latest/meta-data") == 202:
        assert (await settled(client, path))["status"] == "queued"
        assert (await task_of(client, path))["status"] == "failure"
