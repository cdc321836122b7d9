"""Locations changed by patches over HTTP, on both drivers of records (reference section 5.5)."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from service.settings import Secret
from tests.callers import by
from tests.conftest import Client, Connect
from tests.transfers import DATA, created, put, shown

PATCH = "application/openstack-images-v2.1-json-patch"
STORES = Secret("fast=memory://?weight=100,slow=memory://?weight=50,web=http://")


@pytest.fixture
async def base() -> AsyncIterator[str]:
    """Give the address of a web server that has the data at every path but `/nothing`."""

    async def data(request: web.Request) -> web.Response:
        return web.Response(body=b"" if request.path == "/empty" else DATA)

    async def nothing(request: web.Request) -> web.Response:
        raise web.HTTPNotFound

    app = web.Application()
    app.router.add_get("/nothing", nothing)
    app.router.add_get("/{tail:.*}", data)
    server = TestServer(app)
    await server.start_server()
    yield str(server.make_url("")).rstrip("/")
    await server.close()


@pytest.fixture
async def client(connect: Connect) -> Client:
    """Give a client of a service that shows locations and may read from this machine."""
    return await connect(
        stores=STORES, show_multiple_locations=True, fetch_allowed_networks=("127.0.0.0/8",), image_location_quota=3
    )


def at(url: str, **fields: Any) -> dict[str, Any]:
    """Say a location as a patch does."""
    return {"url": url, "metadata": {}, **fields}


async def patch(client: Client, path: str, op: str, pointer: str, value: Any = None, name: str = "ann") -> int:
    """Change an image by one operation; give the status of the answer."""
    operation = {"op": op, "path": pointer} | ({} if op == "remove" else {"value": value})
    response = await client.patch(path, json=[operation], headers=by(name, Content_Type=PATCH))
    return response.status


async def urls(client: Client, path: str) -> list[str]:
    """List the URLs of an image."""
    return [each["url"] for each in (await shown(client, path))["locations"]]


async def test_a_location_makes_a_queued_image_active_without_reading_its_data(client: Client, base: str) -> None:
    path = await created(client)
    assert await patch(client, path, "add", "/locations/-", at(f"{base}/a")) == 200
    image = await shown(client, path)
    assert (image["status"], image["size"], image["checksum"], image["stores"]) == ("active", len(DATA), None, "web")
    assert await (await client.get(f"{path}/file", headers=by("ann"))).read() == DATA


async def test_locations_are_put_in_their_places(client: Client, base: str) -> None:
    path = await created(client)
    for position, name in (("-", "a"), ("0", "b"), ("99", "c")):
        assert await patch(client, path, "add", f"/locations/{position}", at(f"{base}/{name}")) == 200
    assert await urls(client, path) == [f"{base}/b", f"{base}/a", f"{base}/c"]


async def test_what_differs_in_its_fragment_is_another_location(client: Client, base: str) -> None:
    path = await created(client)
    assert await patch(client, path, "add", "/locations/-", at(f"{base}/a")) == 200
    assert await patch(client, path, "add", "/locations/-", at(f"{base}/a")) == 400
    assert await patch(client, path, "add", "/locations/-", at(f"{base}/a#new")) == 200
    assert await urls(client, path) == [f"{base}/a", f"{base}/a#new"]


@pytest.mark.parametrize("position", ["x", "-1", "", "0/1"])
async def test_a_place_that_is_none_is_refused(client: Client, base: str, position: str) -> None:
    path = await created(client)
    assert await patch(client, path, "add", f"/locations/{position}", at(f"{base}/a")) == 400


@pytest.mark.parametrize("url", ["{base}/nothing", "{base}/empty", "file:///etc/passwd", "swift+config://x", "nfs://x"])
async def test_a_location_that_leads_to_no_data_of_ours_is_refused(client: Client, base: str, url: str) -> None:
    """OSSA-2014-041 and OSSA-2015-002: no file of the server is ever an image's data."""
    path = await created(client)
    assert await patch(client, path, "add", "/locations/-", at(url.format(base=base))) == 400
    assert (await shown(client, path))["status"] == "queued"


async def test_an_object_of_our_own_stores_is_no_users_to_give(client: Client) -> None:
    victim = await created(client)
    assert await put(client, victim) == 204
    (url,) = await urls(client, victim)
    path = await created(client)
    assert await patch(client, path, "add", "/locations/-", at(url)) == 403


async def test_the_last_location_stays_and_others_are_for_admins_to_remove(client: Client, base: str) -> None:
    """OSSA-2016-006: an image without locations would be queued again, and take other data."""
    path = await created(client)
    for name in ("a", "b"):
        assert await patch(client, path, "add", "/locations/-", at(f"{base}/{name}")) == 200
    assert await patch(client, path, "remove", "/locations/0") == 403
    assert await patch(client, path, "remove", "/locations/5", name="admin") == 400
    assert await patch(client, path, "remove", "/locations/0", name="admin") == 200
    assert await patch(client, path, "remove", "/locations/0", name="admin") == 403
    assert await urls(client, path) == [f"{base}/b"]


async def test_replacing_changes_what_is_noted_and_never_which_there_are(client: Client, base: str) -> None:
    path = await created(client)
    assert await patch(client, path, "replace", "/locations", [at(f"{base}/a"), at(f"{base}/b")]) == 200
    assert await patch(client, path, "replace", "/locations", [at(f"{base}/a")]) == 400
    assert await patch(client, path, "replace", "/locations", []) == 403
    noted = [at(f"{base}/a", metadata={"note": "x"}), at(f"{base}/b")]
    assert await patch(client, path, "replace", "/locations", noted) == 200
    image = await shown(client, path)
    assert [each["metadata"] for each in image["locations"]] == [{"note": "x", "store": "web"}, {"store": "web"}]
    assert image["stores"] == "web,web"


async def test_an_image_has_no_more_locations_than_its_quota(client: Client, base: str) -> None:
    path = await created(client)
    statuses = [await patch(client, path, "add", "/locations/-", at(f"{base}/{number}")) for number in range(4)]
    assert statuses == [200, 200, 200, 413]


def sha512(digit: str) -> dict[str, str]:
    """Say some hash as `validation_data` does."""
    return {"os_hash_algo": "sha512", "os_hash_value": digit * 128, "checksum": digit * 32}


async def test_hashes_come_with_the_first_location_and_others_agree(client: Client, base: str) -> None:
    path = await created(client)
    told = at(f"{base}/a", validation_data=sha512("a"))
    assert await patch(client, path, "add", "/locations/-", told) == 200
    image = await shown(client, path)
    assert {name: image[name] for name in sha512("a")} == sha512("a")
    assert await patch(client, path, "add", "/locations/-", at(f"{base}/b", validation_data=sha512("b"))) == 409
    assert await patch(client, path, "add", "/locations/-", at(f"{base}/b", validation_data=sha512("a"))) == 200


@pytest.mark.parametrize("changed", [{"os_hash_algo": "sha256"}, {"os_hash_value": "z" * 128}, {"os_hash_value": "a"}])
async def test_hashes_that_are_none_conflict(client: Client, base: str, changed: dict[str, str]) -> None:
    path = await created(client)
    told = at(f"{base}/a", validation_data=sha512("a") | changed)
    assert await patch(client, path, "add", "/locations/-", told) == 409
    assert (await shown(client, path))["status"] == "queued"


async def test_locations_that_are_not_shown_cannot_be_changed(connect: Connect, base: str) -> None:
    client = await connect(stores=STORES, fetch_allowed_networks=("127.0.0.0/8",))
    assert await patch(client, await created(client), "add", "/locations/-", at(f"{base}/a")) == 403


class TestDeleteFromStore:
    """`DELETE /v2/stores/{store_id}/{image_id}` (reference section 2.8)."""

    @pytest.fixture
    async def path(self, client: Client) -> str:
        """Give the path of an image in one store."""
        path = await created(client)
        assert await put(client, path) == 204
        return path

    async def removed(self, client: Client, path: str, store: str, name: str = "admin") -> int:
        """Remove an image's data from a store; give the status of the answer."""
        image_id = path.rpartition("/")[2]
        return (await client.delete(f"/v2/stores/{store}/{image_id}", headers=by(name))).status

    async def test_data_is_removed_from_one_store_and_stays_in_the_other(
        self, client: Client, path: str, base: str
    ) -> None:
        assert await patch(client, path, "add", "/locations/-", at(f"{base}/a")) == 200
        assert await self.removed(client, path, "slow") == 404
        assert await self.removed(client, path, "fast", "ann") == 403
        assert await self.removed(client, path, "fast") == 204
        assert await urls(client, path) == [f"{base}/a"]

    async def test_the_only_store_keeps_its_data(self, client: Client, path: str) -> None:
        assert await self.removed(client, path, "fast") == 403
        assert await (await client.get(f"{path}/file", headers=by("ann"))).read() == DATA

    async def test_a_store_that_nobody_knows_is_a_conflict(self, client: Client, path: str) -> None:
        assert await self.removed(client, path, "other") == 409

    async def test_an_image_without_data_is_a_conflict(self, client: Client) -> None:
        assert await self.removed(client, await created(client), "fast") == 409
