"""Several stores: which one is chosen, which one is read, and what is told of them (reference sections 2.2 and 3.4)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from drivers.protocol import ImageStore
from service.keys import TOOLS
from service.policy.engine import load_policy
from service.settings import Secret
from tests.callers import by
from tests.conftest import TWO_STORES, Client, Connect
from tests.transfers import DATA, created, objects, put, shown, uploaded

SHOWN = {"show_image_direct_url": True, "show_multiple_locations": True}
THREE = Secret("light=memory://?weight=1,heavy=memory://?weight=30,middle=memory://?weight=20")


@pytest.fixture
async def client(connect: Connect) -> Client:
    """Give a client of a service with two stores, that shows where data is to those who may know."""
    return await connect(stores=TWO_STORES, **SHOWN)


async def test_without_a_wish_the_first_store_keeps_the_data(client: Client) -> None:
    image = await shown(client, await uploaded(client), "admin")
    assert image["stores"] == "fast"
    assert [location["metadata"] for location in image["locations"]] == [{"store": "fast"}]
    assert image["direct_url"] == image["locations"][0]["url"]


async def test_the_default_store_of_the_settings_comes_before_the_first(connect: Connect) -> None:
    client = await connect(stores=TWO_STORES, default_store="slow")
    assert (await shown(client, await uploaded(client), "admin"))["stores"] == "slow"


async def test_the_header_names_the_store(client: Client) -> None:
    path = await created(client)
    assert await put(client, path, X_Image_Meta_Store="slow") == 204
    assert (await shown(client, path, "admin"))["stores"] == "slow"


@pytest.mark.parametrize("name", ["nowhere", "FAST", "fast,slow", "os_glance_staging_store", "../fast"])
async def test_a_store_that_is_not_there_is_400_and_nothing_is_kept(client: Client, name: str) -> None:
    path = await created(client)
    assert await put(client, path, X_Image_Meta_Store=name) == 400
    assert await objects(client) == []


async def test_others_are_not_told_where_the_data_is(client: Client) -> None:
    image = await shown(client, await uploaded(client, visibility="community"), "bob")
    assert not {"stores", "direct_url"} & image.keys()


async def test_locations_are_read_by_weight_and_preference_and_the_next_where_one_fails(
    connect: Connect, store: ImageStore
) -> None:
    client = await connect(stores=THREE, **SHOWN)
    path = await uploaded(client)
    await _spread(client, store, path)
    assert (await shown(client, path, "admin"))["stores"] == "heavy,middle,light"
    assert await _read(client, path) == b"heavy"
    assert await _read(client, path, "light") == b"light"
    assert await _read(client, path, " middle , light ,, ") == b"middl"
    await _lose(client, "heavy")
    assert await _read(client, path) == b"middl"
    assert await _read(client, path, "heavy,light") == b"light"


async def test_a_preference_for_an_unknown_store_is_400_and_comes_before_the_policy(client: Client) -> None:
    path = await uploaded(client)
    for name, params, status in (
        ("ann", {"prefer": "nowhere"}, 400),
        ("rita", {"prefer": "nowhere"}, 400),
        ("rita", {"prefer": "fast"}, 403),
        ("ann", {"prefer": ""}, 200),
        ("ann", {"prefer": " , "}, 200),
    ):
        async with client.get(f"{path}/file", params=params, headers=by(name)) as response:
            assert response.status == status, (name, params)


async def test_choosing_a_store_has_a_rule_of_its_own(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text('"download_from_store": "role:admin"\n')
    client = await connect(stores=TWO_STORES, policy=load_policy(str(tmp_path / "policy.yaml")))
    path = await uploaded(client)
    assert await _read(client, path) == DATA
    async with client.get(f"{path}/file", params={"prefer": "fast"}, headers=by("ann")) as response:
        assert response.status == 403


async def _read(client: Client, path: str, prefer: str | None = None) -> bytes:
    params = {} if prefer is None else {"prefer": prefer}
    async with client.get(f"{path}/file", params=params, headers=by("ann")) as response:
        assert response.status == 200
        return await response.read()


async def _spread(client: Client, store: ImageStore, path: str) -> None:
    """Give an image a location in each store, whose five bytes tell which it is."""
    assert client.app is not None
    tools = client.app[TOOLS]
    view = await store.get(path.rpartition("/")[2], None, locations=True)
    locations = []
    for each in tools.stores:
        url = each.blobs.locate(f"in-{each.id}")
        await each.blobs.write(url, _blocks(each.id[:5].encode()))
        locations.append(each.location(url))
    await store.save(replace(view.image, size=len("heavy"), locations=tuple(locations)))


async def _blocks(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _lose(client: Client, store_id: str) -> None:
    assert client.app is not None
    each = client.app[TOOLS].stores.get(store_id)
    assert each is not None
    await each.blobs.delete(each.blobs.locate(f"in-{store_id}"))
