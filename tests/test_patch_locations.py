"""Locations changed by a patch (reference section 5.5), and data removed from one store (section 2.8)."""

from typing import Any

import pytest

from drivers.usage import Limits
from service.limits.fixed import FixedLimits
from tests.callers import by
from tests.conftest import TWO_STORES, Client, Connect
from tests.imports import COPY, LOOPBACK, imported, serving_data
from tests.locations import MD5, SHA512, STORES, adding, located, patch, people, stray
from tests.transfers import DATA, created, objects, shown, uploaded

HASHES = {"os_hash_algo": "sha512", "os_hash_value": SHA512, "checksum": MD5}


@pytest.fixture
async def client(connect: Connect) -> Client:
    """Give a client of a service whose callers see locations."""
    return await connect(
        verifier=people(), stores=STORES, show_multiple_locations=True, image_location_quota=3, **LOOPBACK
    )


def value(url: str, **more: Any) -> dict[str, Any]:
    """Give a location as a patch has it."""
    return {"url": url, "metadata": {}} | more


def add(url: str, position: str = "-", **more: Any) -> list[dict[str, Any]]:
    """Give the patch that adds one."""
    return [{"op": "add", "path": f"/locations/{position}", "value": value(url, **more)}]


def replacing(*values: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the patch that replaces all."""
    return [{"op": "replace", "path": "/locations", "value": list(values)}]


def removing(position: str = "-") -> list[dict[str, Any]]:
    """Give the patch that removes one."""
    return [{"op": "remove", "path": f"/locations/{position}"}]


async def test_a_url_makes_a_queued_image_active_and_is_not_read(client: Client) -> None:
    async with serving_data() as server:
        url = str(server.make_url("/data"))
        path = await created(client)
        assert await patch(client, path, add(url, validation_data=HASHES)) == 200
        image = await shown(client, path)
        assert (image["status"], image["size"], image["checksum"]) == ("active", len(DATA), MD5)
        assert image["locations"] == [{"url": url, "metadata": {"store": "web"}}]
        path = await created(client)
        assert await patch(client, path, replacing(value(url))) == 200
        assert (await shown(client, path))["status"] == "active"


async def test_an_empty_file_or_none_is_no_location(client: Client) -> None:
    path = await created(client)
    async with serving_data(b"") as server:
        for at in ("/data", "/nothing"):
            assert await patch(client, path, add(str(server.make_url(at)))) == 400
    assert (await shown(client, path))["status"] == "queued"


@pytest.mark.parametrize(
    "data",
    [
        HASHES | {"os_hash_algo": "sha256"},
        HASHES | {"os_hash_value": "z" * 128},
        HASHES | {"os_hash_value": "ab"},
        HASHES | {"checksum": "z" * 32},
    ],
)
async def test_hashes_that_cannot_be_are_409(client: Client, data: dict[str, str]) -> None:
    async with serving_data() as server:
        url = str(server.make_url("/data"))
        path = await created(client)
        assert await patch(client, path, add(url, validation_data=data)) == 409
        active = await uploaded(client)
        assert await patch(client, active, add(url, validation_data=HASHES | {"os_hash_value": "0" * 128})) == 409
        assert await patch(client, active, add(url, validation_data=HASHES)) == 200


async def test_positions_duplicates_and_quota(client: Client) -> None:
    async with serving_data() as server:
        url = str(server.make_url("/data"))
        path = await uploaded(client)
        assert [await patch(client, path, add(url, at)) for at in ("x", "-1", "1.5")] == [400] * 3
        assert await patch(client, path, add(f"{url}#a", "99")) == 200
        assert await patch(client, path, add(f"{url}#a")) == 400
        assert await patch(client, path, add(f"{url}#b", "0")) == 200
        assert await patch(client, path, add(f"{url}#c")) == 413
        assert (await shown(client, path))["stores"] == "fast,web,web"


async def test_replacing_changes_only_what_is_noted_beside_locations(client: Client) -> None:
    path = await uploaded(client)
    url = await located(client, path)
    assert await patch(client, path, replacing(value(url, metadata={"store": "fast", "note": "x"}))) == 200
    assert (await shown(client, path))["locations"][0]["metadata"]["note"] == "x"
    assert await patch(client, path, replacing()) == 403
    assert await patch(client, path, replacing(value(url), value("http://127.0.0.1:1/"))) == 400
    assert await objects(client) == [DATA]


@pytest.mark.parametrize("metadata", [{"store": "web"}, {"store": "nowhere"}, {}])
async def test_what_is_noted_does_not_hide_whose_an_object_is(client: Client, metadata: dict[str, str]) -> None:
    path = await uploaded(client)
    url = await located(client, path)
    assert await patch(client, path, replacing(value(url, metadata=metadata))) == 200
    assert await patch(client, await created(client), adding(url), "nova") == 400
    assert (await client.delete(path, headers=by("ann"))).status == 204
    assert await objects(client) == []


async def test_the_last_location_stays_ossa_2016_006(client: Client) -> None:
    path = await uploaded(client)
    async with serving_data() as server:
        url = str(server.make_url("/data"))
        assert await patch(client, path, removing(), "admin") == 403
        assert await patch(client, path, add(url)) == 200
        assert await patch(client, path, removing("0")) == 403
        assert await patch(client, path, removing("7"), "admin") == 400
        assert await patch(client, path, removing("0"), "admin") == 200
        assert (await shown(client, path))["stores"] == "web"
        assert await objects(client) == []
        assert await patch(client, path, removing("0"), "admin") == 403
        assert await patch(client, await created(client), removing("0"), "admin") == 409


async def test_locations_count_towards_what_a_project_stores(connect: Connect) -> None:
    client = await connect(
        verifier=people(),
        stores=STORES,
        show_multiple_locations=True,
        limits=FixedLimits(Limits(bytes=len(DATA) + 1)),
        **LOOPBACK,
    )
    path = await created(client)
    async with serving_data() as server:
        url = str(server.make_url("/data"))
        assert await patch(client, path, add(url)) == 200
        assert await patch(client, path, add(f"{url}#b")) == 413


async def test_where_locations_are_not_shown_they_are_not_changed(connect: Connect) -> None:
    client = await connect(verifier=people(), stores=STORES, **LOOPBACK)
    path = await uploaded(client)
    assert await patch(client, path, add("http://127.0.0.1:1/")) == 403
    assert await patch(client, path, removing(), "admin") == 403


async def test_a_service_hands_an_object_over(client: Client) -> None:
    url = await stray(client)
    path = await created(client)
    assert await patch(client, path, adding(url)) == 403
    assert await patch(client, path, adding(url), "nova") == 200
    assert (await client.delete(path, headers=by("ann"))).status == 204
    assert await objects(client) == []


async def test_data_is_removed_from_one_store_of_several(connect: Connect) -> None:
    client = await connect(stores=TWO_STORES)

    async def remove(store: str, path: str, name: str = "admin") -> int:
        async with client.delete(f"/v2/stores/{store}/{path.rpartition('/')[2]}", headers=by(name)) as response:
            return response.status

    path = await uploaded(client)
    assert await remove("fast", path) == 403
    await imported(client, path, "admin", method=COPY, stores=["slow"])
    assert await remove("moon", path) == 409
    assert [await remove("fast", path, name) for name in ("ann", "bob")] == [403, 404]
    assert await remove("fast", await created(client)) == 409
    assert await remove("fast", path) == 204
    assert (await shown(client, path))["stores"] == "slow"
    assert await objects(client) == [DATA]
    assert await remove("fast", path) == 403
    single = await connect()
    async with single.delete(f"/v2/stores/fast/{path.rpartition('/')[2]}", headers=by("admin")) as response:
        assert response.status == 404
