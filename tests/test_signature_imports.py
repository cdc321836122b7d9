"""Imports of signed images: the certificate is read when they are asked for, and waits with the task (section 10.2)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pytest_aiohttp.plugin import AiohttpClient

from drivers.memory import MemoryStore
from service.app import make_app
from service.policy.engine import load_policy
from service.settings import Secret, Settings
from service.tokens.protocol import Endpoint
from tests.callers import by, people
from tests.conftest import TWO_STORES, Client, Connect, Listening
from tests.fake_key_manager import ID, SAME, FakeKeyManager
from tests.fake_keystone import answering
from tests.imports import (
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
from tests.signing import signer
from tests.stores import one_store
from tests.test_glance_download import Catalog, method
from tests.transfers import DATA, created, is_untouched, objects, shown, uploaded

SIGNED = signer("RSA-PSS").properties(DATA, ID)
OTHER = DATA[:-1] + b"?"
PATCH = {"Content_Type": "application/openstack-images-v2.1-json-patch"}


@asynccontextmanager
async def holding() -> AsyncIterator[tuple[TestServer, asyncio.Event]]:
    """Run a web server that gives its data, which keeps the only worker waiting, when the event is set."""
    go = asyncio.Event()

    async def data(request: web.Request) -> web.Response:
        await go.wait()
        return web.Response(body=DATA)

    app = web.Application()
    app.router.add_get("/data", data)
    server = TestServer(app)
    await server.start_server()
    yield server, go
    go.set()
    await server.close()


@pytest.fixture
async def client(connect: Connect, key_manager: FakeKeyManager) -> Client:
    """Give a client of a service that asks the fake key manager, and imports one thing at a time."""
    return await connect(key_manager_url=key_manager.url, import_workers=1, **LOOPBACK)


async def test_data_that_was_signed_is_imported_and_the_certificate_not_shown(
    client: Client, key_manager: FakeKeyManager
) -> None:
    path = await created(client, **SIGNED)
    async with serving_data() as server:
        image = await imported(client, path, method=download(server))
    assert image["status"] == "active"
    assert await outcome(client, path) == ("success", "Copied 1 MiB")
    assert [token for _, token in key_manager.asked] == ["token-of-ann"] * 2
    (task,) = await tasks_of(client, path)
    assert "CERTIFICATE" not in str(task)
    async with client.get(f"/v2/tasks/{task['id']}", headers=by("admin")) as response:
        assert response.status == 200
        assert "CERTIFICATE" not in await response.text()


async def test_other_data_is_not_and_the_task_says_so(client: Client) -> None:
    path = await created(client, **SIGNED)
    async with serving_data(OTHER) as server:
        image = await imported(client, path, method=download(server))
    assert (image["status"], hashes(image), await objects(client)) == ("queued", {None}, [])
    status, message = await outcome(client, path)
    assert (status, "Signature verification failed" in message) == ("failure", True)


async def test_other_data_that_was_staged_leaves_its_image_importing_as_any_failure_does(client: Client) -> None:
    path = await staged(client, OTHER, **SIGNED)
    image = await imported(client, path, method=DIRECT)
    assert (image["status"], hashes(image), await objects(client)) == ("importing", {None}, [])


@pytest.mark.parametrize("must", [True, False])
async def test_no_store_of_several_takes_other_data(connect: Connect, key_manager: FakeKeyManager, must: bool) -> None:
    client = await connect(stores=TWO_STORES, key_manager_url=key_manager.url, **LOOPBACK)
    for data, status in ((OTHER, "queued"), (DATA, "active")):
        path = await created(client, **SIGNED)
        async with serving_data(data) as server:
            image = await imported(client, path, method=download(server), all_stores=True, all_stores_must_succeed=must)
        assert (image["status"], lists(image)) == (status, ("", "" if data == DATA else "fast,slow"))
    assert await objects(client) == [DATA, DATA]


async def test_a_certificate_that_nobody_has_fails_the_task_as_in_glance(
    client: Client, key_manager: FakeKeyManager
) -> None:
    key_manager.on_secret = answering(404)
    path = await created(client, **SIGNED)
    async with serving_data() as server:
        image = await imported(client, path, method=download(server))
    assert (image["status"], await objects(client)) == ("queued", [])
    status, message = await outcome(client, path)
    assert (status, "no certificate" in message) == ("failure", True)


async def test_a_key_manager_that_is_away_is_503_and_nothing_is_begun(
    client: Client, key_manager: FakeKeyManager
) -> None:
    well, key_manager.on_secret = key_manager.on_secret, answering(500)
    path = await created(client, **SIGNED)
    async with serving_data() as server:
        assert (await asked(client, path, method=download(server)))[0] == 503
        assert (await tasks_of(client, path), await is_untouched(client, path)) == ([], True)
        key_manager.on_secret = well
        assert (await imported(client, path, method=download(server)))["status"] == "active"


@pytest.mark.parametrize(("data", "status"), [(DATA, "active"), (OTHER, "queued")])
async def test_another_process_verifies_by_what_the_task_keeps(
    connect: Connect, key_manager: FakeKeyManager, blobs_url: Secret, data: bytes, status: str
) -> None:
    first = await connect(stores=blobs_url, key_manager_url=key_manager.url, import_workers=1, **LOOPBACK)
    async with serving_data(data) as server, holding() as (slow, _):
        await started(first, await created(first), method=download(slow))
        path = await created(first, **SIGNED)
        await started(first, path, method=download(server))
        await first.close()
        # This one could ask nobody for the certificate.
        other = await connect(stores=blobs_url, **LOOPBACK)
        assert (await settled(other, path))["status"] == status
    assert ("Signature verification failed" in (await outcome(other, path))[1]) == (data == OTHER)


@pytest.mark.parametrize("before", [{}, SIGNED | {"img_signature_certificate_uuid": SAME}])
async def test_a_signature_that_came_after_the_import_was_asked_for_cannot_be_verified(
    client: Client, key_manager: FakeKeyManager, before: dict[str, str]
) -> None:
    async with holding() as (slow, go), serving_data() as server:
        first, path = await created(client), await created(client, **before)
        await started(client, first, method=download(slow))
        await started(client, path, method=download(server))
        change = [{"op": "add", "path": f"/{name}", "value": value} for name, value in SIGNED.items()]
        async with client.patch(path, json=change, headers=by("ann", **PATCH)) as response:
            assert response.status == 200
        go.set()
        assert (await settled(client, path))["status"] == "queued"
    assert (await outcome(client, path))[0] == "failure"


async def test_an_image_of_another_service_is_verified_by_what_came_with_it(
    connect: Connect, key_manager: FakeKeyManager, aiohttp_client: AiohttpClient
) -> None:
    app = make_app(Settings(), MemoryStore(), one_store(), people(), load_policy(None), Random(2))
    remote = cast("Client", await aiohttp_client(Listening(app)))
    verifier = Catalog(Endpoint("east", "public", str(remote.make_url("/"))))
    settings = {"enabled_import_methods": METHODS, "glance_download_properties": ("img_",), **LOOPBACK}
    client = await connect(verifier=verifier, key_manager_url=key_manager.url, **settings)
    theirs = await uploaded(remote, img_signature="c2lnbmVk")
    for properties, status in ((SIGNED, "active"), (SIGNED | {"img_signature": "c2lnbmVk"}, "queued")):
        change = [{"op": "add", "path": f"/{name}", "value": value} for name, value in properties.items()]
        async with remote.patch(theirs, json=change, headers=by("ann", **PATCH)) as response:
            assert response.status == 200
        path = await created(client)
        assert (await imported(client, path, method=method(theirs)))["status"] == status
    key_manager.on_secret = answering(500)
    path = await created(client)
    assert (await imported(client, path, method=method(theirs)))["status"] == "queued"
    assert "key manager" in (await outcome(client, path))[1]


async def test_an_import_in_the_old_way_is_verified_too(client: Client, key_manager: FakeKeyManager) -> None:
    async with serving_data() as server, serving_data(OTHER) as lying:
        for source, ended in ((server, "success"), (lying, "failure")):
            wanted = {
                "import_from": str(source.make_url("/data")),
                "import_from_format": "raw",
                "image_properties": {"disk_format": "raw"} | SIGNED,
            }
            body = {"type": "import", "input": wanted}
            async with client.post("/v2/tasks", json=body, headers=by("admin")) as response:
                assert response.status == 201
                task = await response.json()
                assert "BEGIN" not in str(task)
            path = f"/v2/images/{task['image_id']}"
            while "os_glance_import_task" in await shown(client, path, "admin"):
                pass
            assert (await outcome(client, path, "admin"))[0] == ended
        key_manager.on_secret = answering(500)
        async with client.post("/v2/tasks", json=body, headers=by("admin")) as response:
            assert response.status == 503
    async with client.get("/v2/images", headers=by("admin")) as response:
        assert len((await response.json())["images"]) == 2
