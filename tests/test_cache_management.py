"""What operators do to the cache, and what processes do to each other's (reference section 2.11)."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from service.settings import Secret
from tests.caching import ADMIN, Watched, cached, data, filled, id_of, state
from tests.callers import by
from tests.conftest import Client, Connect
from tests.transfers import DATA, created, until, uploaded

# A process of its own: what it has locked is free again when it is killed.
HALF = """
import sys, time
from pathlib import Path
from service.cache.draft import Draft, Sought
from service.cache.folder import Folder
draft = Draft(Folder(Path(sys.argv[1])), Sought(sys.argv[2], "md5", ""))
assert draft.claim()
draft.write(b"!" * 1000)
print("half", flush=True)
time.sleep(600)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give the path of the cache."""
    return tmp_path / "cache"


@pytest.fixture
async def client(connect: Connect, blobs_url: Secret, folder: Path) -> Client:
    """Give a client of a service with a cache, on each kind of store."""
    return await connect(stores=blobs_url, image_cache_dir=str(folder))


class TestProcesses:
    """What a killed process was about is in nobody's way, and what a living one is about is left alone."""

    async def half_filled(self, folder: Path, image_id: str) -> asyncio.subprocess.Process:
        """Start a process that has half of an image's data in the folder, and waits."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", HALF, str(folder), image_id), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"half\n"
        return process

    async def test_what_a_killed_process_left_is_not_served_and_cleaned_when_it_is_old(
        self, connect: Connect, blobs_url: Secret, folder: Path
    ) -> None:
        client = await connect(stores=blobs_url, image_cache_dir=str(folder), image_cache_stall_time=3600)
        path = await uploaded(client)
        process = await self.half_filled(folder, id_of(path))
        left = folder / "filling" / id_of(path)
        os.utime(left, (1, 1))
        assert (await client.post("/v2/cache/clean", headers=ADMIN)).status == 200
        assert left.exists()  # of a process that lives
        assert await data(client, path) == (200, DATA)
        assert await cached(client) == []
        process.kill()
        await process.wait()
        os.utime(left)
        assert (await client.post("/v2/cache/clean", headers=ADMIN)).status == 200
        assert left.exists()  # but not for as long as the setting says
        os.utime(left, (1, 1))
        assert (await client.post("/v2/cache/clean", headers=ADMIN)).status == 200
        assert not left.exists()
        assert await cached(client) == []

    async def test_what_a_killed_process_left_is_taken_over_by_the_next_reader(
        self, client: Client, folder: Path
    ) -> None:
        path = await uploaded(client)
        process = await self.half_filled(folder, id_of(path))
        process.kill()
        await process.wait()
        assert await data(client, path) == (200, DATA)
        await filled(client, path)
        assert await data(client, path) == (200, DATA)


class TestManagement:
    """`/v2/cache` and what was before it."""

    async def test_a_queued_image_is_fetched_at_once(self, client: Client) -> None:
        path = await uploaded(client)
        assert (await client.put(f"/v2/cache/{id_of(path)}", headers=ADMIN)).status == 202
        await filled(client, path)

        async def waits_for_nobody() -> bool:
            return not (await state(client))["queued_images"]

        await until(waits_for_nobody)
        with Watched(client) as store:
            assert await data(client, path) == (200, DATA)
            assert store.opened == 0

    async def test_what_cannot_be_queued_is_refused(self, client: Client) -> None:
        path = await created(client)
        assert (await client.put(f"/v2/cache/{id_of(path)}", headers=ADMIN)).status == 400
        assert (await client.put(f"/v2/cache/{id_of(path)}", headers=by("ann"))).status == 403
        assert (await client.put("/v2/cache/11111111-1111-4111-8111-111111111111", headers=ADMIN)).status == 404

    async def test_a_copy_is_removed_twice_and_an_unknown_one_never(self, client: Client) -> None:
        path = await uploaded(client)
        await data(client, path)
        await filled(client, path)
        for _ in range(2):
            assert (await client.delete(f"/v2/cache/{id_of(path)}", headers=ADMIN)).status == 204
            assert await cached(client) == []
        for unknown in ("11111111-1111-4111-8111-111111111111", "..%2F..%2Fetc"):
            assert (await client.delete(f"/v2/cache/{unknown}", headers=ADMIN)).status == 404

    @pytest.mark.parametrize(("target", "left"), [("", False), ("cache", False), ("queue", True)])
    async def test_it_is_emptied_as_far_as_the_header_says(self, client: Client, target: str, *, left: bool) -> None:
        path = await uploaded(client)
        await data(client, path)
        await filled(client, path)
        headers = by("admin", x_image_cache_clear_target=target)
        assert (await client.delete("/v2/cache", headers=headers)).status == 204
        assert bool(await cached(client)) is left
        headers = by("admin", x_image_cache_clear_target="all")
        assert (await client.delete("/v2/cache", headers=headers)).status == 400

    async def test_nodes_know_nothing_of_each_other(self, client: Client) -> None:
        assert (await client.get("/v2/cache/nodes/x", headers=ADMIN)).status == 409
        assert (await client.get("/v2/cache/nodes/x", headers=by("ann"))).status == 403

    async def test_clean_and_prune_take_no_body(self, client: Client) -> None:
        for what in ("clean", "prune"):
            assert (await client.post(f"/v2/cache/{what}", json={}, headers=ADMIN)).status == 400
        response = await client.post("/v2/cache/clean", headers=ADMIN)
        assert (response.status, await response.read()) == (200, b"")
        assert (await client.get("/v2/cache/x", headers=ADMIN)).status == 405

    async def test_the_older_api_does_the_same(self, client: Client) -> None:
        path = await uploaded(client)

        async def said(method: str, where: str) -> Any:
            async with client.request(method, f"/v2/{where}", headers=ADMIN) as response:
                assert response.status == 200
                return await response.json()

        assert await said("PUT", f"queued_images/{id_of(path)}") is None
        await filled(client, path)
        (entry,) = (await said("GET", "cached_images"))["cached_images"]
        assert entry["image_id"] == id_of(path)
        assert await said("DELETE", f"cached_images/{id_of(path)}") is None
        assert await said("DELETE", "cached_images/no%2Fid") is None
        assert await said("DELETE", f"queued_images/{id_of(path)}") is None
        assert await said("GET", "queued_images") == {"queued_images": []}
        assert await said("DELETE", "cached_images") == {"num_deleted": 0}
        assert await said("DELETE", "queued_images") == {"num_deleted": 0}

    async def test_without_a_cache_policy_decides_first_and_then_all_is_404(self, connect: Connect) -> None:
        client = await connect()
        path = id_of(await created(client))
        calls = (
            *(("GET", "cache"), ("DELETE", "cache"), ("PUT", f"cache/{path}"), ("DELETE", f"cache/{path}")),
            *(("GET", f"cache/nodes/{path}"), ("POST", "cache/clean"), ("POST", "cache/prune")),
            *((method, where) for where in ("cached_images", "queued_images") for method in ("GET", "DELETE")),
            *(("DELETE", "cached_images/x"), ("PUT", "queued_images/x"), ("DELETE", "queued_images/x")),
        )
        for method, where in calls:
            statuses = [
                (await client.request(method, f"/v2/{where}", headers=by(name))).status for name in ("ann", "admin")
            ]
            assert statuses == [403, 404], (method, where)
