"""The cache over HTTP: filled once, verified, served by policy only, never in the way (sections 2.2, 2.11, 10.8)."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import ClientError

from drivers.errors import StoreUnavailable
from service.keys import TOOLS
from service.policy.engine import load_policy
from service.settings import Secret
from tests.caching import ADMIN, Watched, cached, data, filled, id_of, state
from tests.callers import by
from tests.conftest import Client, Connect
from tests.transfers import DATA, created, put, shown, until, uploaded

LONG = DATA * 9


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give the path of the cache."""
    return tmp_path / "cache"


@pytest.fixture
async def client(connect: Connect, blobs_url: Secret, folder: Path) -> Client:
    """Give a client of a service with a cache, on each kind of store."""
    return await connect(stores=blobs_url, image_cache_dir=str(folder))


class TestFilling:
    """A whole download fills it, once for all who wait, and only with what the hash says."""

    async def test_the_second_download_asks_no_store(self, client: Client) -> None:
        path = await uploaded(client)
        with Watched(client) as store:
            assert await data(client, path) == (200, DATA)
            await filled(client, path)
            assert await data(client, path) == await data(client, path) == (200, DATA)
            assert store.opened == 1
        (entry,) = (await state(client))["cached_images"]
        assert (entry["image_id"], entry["hits"], entry["size"]) == (id_of(path), 2, len(DATA))
        assert entry["last_accessed"] >= entry["last_modified"] > 1e9

    async def test_cold_readers_share_one_read_of_the_store_and_need_not_wait_for_its_end(self, client: Client) -> None:
        path = await uploaded(client, LONG)
        with Watched(client) as store:
            store.gate.clear()
            responses = [await client.get(f"{path}/file", headers=by("ann")) for _ in range(8)]
            for response in responses:
                assert response.headers["Content-Length"] == str(len(LONG))
                assert await response.content.readexactly(1000) == LONG[:1000]
            assert await cached(client) == []
            store.gate.set()
            rests = await asyncio.gather(*(response.read() for response in responses))
            assert all(rest == LONG[1000:] for rest in rests)
            assert store.opened == 1
        await filled(client, path)

    async def test_readers_that_hang_or_leave_do_not_stop_the_fill(self, client: Client) -> None:
        path = await uploaded(client, LONG)
        with Watched(client) as store:
            store.gate.clear()
            hanging, leaving = [await client.get(f"{path}/file", headers=by("ann")) for _ in range(2)]
            leaving.close()
            store.gate.set()
            await filled(client, path)
            assert await hanging.read() == LONG
            assert store.opened == 1

    async def test_a_part_neither_fills_it_nor_comes_from_it(self, client: Client) -> None:
        path = await uploaded(client)
        with Watched(client) as store:
            for headers in ({"Range": "bytes=0-9"}, {"Content_Range": "bytes 0-9/*"}):
                assert await data(client, path, **headers) == (206, DATA[:10])
            assert await cached(client) == []
            await data(client, path)
            await filled(client, path)
            assert await data(client, path, Range="bytes=0-9") == (206, DATA[:10])
            assert store.opened == 4

    async def test_a_read_that_breaks_off_leaves_nothing_and_its_readers_go_on_from_the_store(
        self, client: Client, folder: Path
    ) -> None:
        path = await uploaded(client, LONG)
        with Watched(client) as store:
            store.failures.append(StoreUnavailable("away"))
            assert await data(client, path) == (200, LONG)
            assert store.opened == 2
        assert await cached(client) == [] == [*(folder / "filling").iterdir()]

    async def test_data_that_is_not_what_the_hash_says_is_sent_as_ever_and_not_kept(
        self, client: Client, folder: Path
    ) -> None:
        path = await uploaded(client)
        assert client.app is not None
        tools = client.app[TOOLS]
        blobs = tools.stores.default.blobs
        (blob,) = [each async for each in blobs.list()]
        await blobs.delete(blob.url)
        await blobs.write(blob.url, blocks(b"!" * len(DATA)))
        for _ in range(2):
            assert await data(client, path) == (200, b"!" * len(DATA))
        assert await cached(client) == [] == [*(folder / "filling").iterdir()]

    async def test_what_is_larger_than_the_limit_is_not_kept(
        self, connect: Connect, blobs_url: Secret, folder: Path
    ) -> None:
        client = await connect(stores=blobs_url, image_cache_dir=str(folder), image_cache_max_size=len(DATA) - 1)
        path = await uploaded(client)
        assert await data(client, path) == (200, DATA)
        assert await cached(client) == []

    async def test_a_folder_that_cannot_be_used_costs_only_its_speed(self, client: Client, folder: Path) -> None:
        path = await uploaded(client)
        folder.rename(folder.with_name("gone"))
        assert await data(client, path) == (200, DATA)
        assert (await client.delete(path, headers=by("ann"))).status == 204

    async def test_no_data_is_still_an_answer(self, client: Client) -> None:
        assert await data(client, await created(client)) == (204, b"")


async def blocks(content: bytes) -> AsyncIterator[bytes]:
    yield content


class TestTrust:
    """What is in the cache is for those whom policy lets, as long as the image is there and active."""

    async def test_policy_decides_about_what_is_cached(self, client: Client) -> None:
        path = await uploaded(client, visibility="private")
        assert (await data(client, path))[0] == 200
        await filled(client, path)
        assert [(await data(client, path, name))[0] for name in ("rita", "bob", "mona")] == [403, 404, 200]

    async def test_deactivated_data_is_not_served_from_it(self, client: Client) -> None:
        path = await uploaded(client)
        await data(client, path)
        await filled(client, path)
        assert (await client.post(f"{path}/actions/deactivate", headers=ADMIN)).status == 204
        assert (await data(client, path))[0] == 403
        with Watched(client) as store:
            assert await data(client, path, "admin") == (200, DATA)
            assert store.opened == 1

    async def test_a_deleted_image_is_gone_from_it(self, client: Client, folder: Path) -> None:
        path = await uploaded(client)
        await data(client, path)
        await filled(client, path)
        assert (await client.delete(path, headers=by("ann"))).status == 204
        assert await cached(client) == []
        assert not any(each.is_file() for each in folder.rglob("*"))
        assert (await data(client, path))[0] == 404

    async def test_an_image_deleted_while_it_is_filled_leaves_nothing(self, client: Client, folder: Path) -> None:
        path = await uploaded(client, LONG)
        with Watched(client) as store:
            store.gate.clear()
            response = await client.get(f"{path}/file", headers=by("ann"))
            assert (await client.delete(path, headers=by("ann"))).status == 204
            store.gate.set()
            with suppress(ClientError):  # cut short or not, as the store has it
                await response.read()

        async def is_empty() -> bool:
            return not any(each.is_file() for each in folder.rglob("*"))

        await until(is_empty)

    @pytest.mark.parametrize("keep_size", [True, False])
    async def test_a_copy_that_was_touched_is_never_served(
        self, client: Client, folder: Path, *, keep_size: bool
    ) -> None:
        path = await uploaded(client)
        await data(client, path)
        await filled(client, path)
        (folder / "data" / id_of(path)).write_bytes(b"!" * len(DATA) if keep_size else DATA[:-1])
        assert await data(client, path) == (200, DATA)
        await filled(client, path)
        assert await data(client, path) == (200, DATA)

    async def test_of_a_cached_image_prefer_is_neither_looked_at_nor_asked_about(
        self, connect: Connect, folder: Path, tmp_path: Path
    ) -> None:
        rules = tmp_path / "policy.yaml"
        rules.write_text('download_from_store: "!"\n')
        two = Secret("a=memory://,b=memory://")
        client = await connect(stores=two, image_cache_dir=str(folder), policy=load_policy(str(rules)))
        path = await uploaded(client)

        async def status(prefer: str) -> int:
            async with client.get(f"{path}/file", params={"prefer": prefer}, headers=by("ann")) as response:
                await response.read()
                return response.status

        assert [await status("a"), await status("nowhere")] == [403, 400]
        await data(client, path)
        await filled(client, path)
        assert [await status("a"), await status("nowhere")] == [200, 200]


async def test_the_least_recently_used_makes_room(connect: Connect, folder: Path, tmp_path: Path) -> None:
    blobs_url = Secret(f"file://{tmp_path}/blobs")
    client = await connect(stores=blobs_url, image_cache_dir=str(folder))
    paths = [await uploaded(client) for _ in range(3)]
    for path in paths:
        await data(client, path)
    await filled(client, *paths)
    for age, path in zip((10, 30, 20), paths, strict=True):
        seal = folder / "seals" / id_of(path)
        os.utime(seal, (seal.stat().st_mtime - age,) * 2)
    pruned = await client.post("/v2/cache/prune", headers=ADMIN)
    assert await pruned.json() == {"total_files_pruned": 0, "total_bytes_pruned": 0}
    small = await connect(stores=blobs_url, image_cache_dir=str(folder), image_cache_max_size=len(DATA) * 2)
    pruned = await small.post("/v2/cache/prune", headers=ADMIN)
    assert await pruned.json() == {"total_files_pruned": 1, "total_bytes_pruned": len(DATA)}
    assert set(await cached(small)) == {id_of(paths[0]), id_of(paths[2])}
    # By itself too, when something comes that is more than fits; what was read last stays.
    assert await data(small, paths[0]) == (200, DATA)
    assert await data(small, paths[1]) == (200, DATA)
    await filled(small, paths[0], paths[1])


async def test_hits_misses_evictions_and_bytes_are_counted(connect: Connect, folder: Path, tmp_path: Path) -> None:
    blobs_url, limit = Secret(f"file://{tmp_path}/blobs"), len(DATA) * 2
    client = await connect(stores=blobs_url, image_cache_dir=str(folder), image_cache_max_size=limit)
    paths = [await uploaded(client) for _ in range(3)]
    assert await counted(client) == {"hits_total": 0, "misses_total": 0, "evictions_total": 0, "bytes": 0}
    for path in paths[:2]:
        await data(client, path)
    await filled(client, *paths[:2])
    await data(client, paths[1])
    # Neither a part nor a look at the headers is a download of the whole.
    await data(client, paths[1], Range="bytes=0-9")
    await client.head(f"{paths[1]}/file", headers=by("ann"))
    await data(client, paths[2])
    await filled(client, *paths[1:])

    async def pruned() -> bool:
        return await counted(client) == {
            "hits_total": 1,
            "misses_total": 3,
            "evictions_total": 1,
            "bytes": limit,
        }

    await until(pruned)


async def test_without_a_cache_nothing_is_counted_of_one(connect: Connect) -> None:
    assert await counted(await connect()) == {}


async def counted(client: Client) -> dict[str, float]:
    """Tell what the service has counted of its cache."""
    async with client.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    values = dict(line.split() for line in lines if line.startswith("vitrine_cache_"))
    return {
        name.removeprefix("vitrine_cache_"): float(value)
        for name, value in values.items()
        if not name.endswith("_created")
    }


async def test_the_hash_of_what_is_kept_is_the_images(client: Client, folder: Path) -> None:
    path = await uploaded(client, LONG)
    await data(client, path)
    await filled(client, path)
    kept = (folder / "data" / id_of(path)).read_bytes()
    assert hashlib.sha512(kept).hexdigest() == (await shown(client, path))["os_hash_value"]
    assert await put(client, path) == 409
