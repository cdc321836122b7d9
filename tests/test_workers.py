"""Several processes on one port: they share it, stop as one without loss, and end as one when one of them fails."""

import asyncio
import os
import signal
from pathlib import Path

import asyncpg
import pytest
from aiohttp import ClientSession

from drivers.registry import open_store
from tests.conformance import ONE, image
from tests.processes import environment, serving, vitrine, waiting_for_a_lock

ANN = {"X-Auth-Token": "token-of-ann"}


def workers_of(process: asyncio.subprocess.Process) -> list[int]:
    """List the processes that the service has started."""
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def listeners(base: str) -> int:
    """Count the sockets of the kernel that listen on the port."""
    port = int(base.rsplit(":", 1)[1])
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in lines)


async def all_listen(base: str, count: int) -> None:
    while listeners(base) != count:  # noqa: ASYNC110 - the event is in the kernel
        await asyncio.sleep(0.01)


@pytest.fixture
def settings(database: str, tokens_file: str, tmp_path: Path) -> dict[str, str]:
    """Give settings of a service with two workers."""
    stores = f"file://{tmp_path}/blobs"
    return {"tokens": "static", "tokens_file": tokens_file, "store": database, "stores": stores, "workers": "2"}


async def test_workers_share_one_port_and_serve_the_same_images(database: str, settings: dict[str, str]) -> None:
    store = await open_store(database)
    await store.add(image(name="shared"))
    await store.close()
    async with serving(**settings) as (process, base), ClientSession() as session:
        await all_listen(base, 2)
        assert len(workers_of(process)) == 2
        for _ in range(32):
            async with session.get(f"{base}/v2/images/{ONE}", headers=ANN | {"Connection": "close"}) as response:
                assert (await response.json())["name"] == "shared"
        process.terminate()
        assert await process.wait() == 0


async def test_a_stop_reaches_every_worker_and_waits_for_their_requests(
    database: str, settings: dict[str, str]
) -> None:
    blocker = await asyncpg.connect(database)
    async with serving(**settings, store_timeout="30") as (process, base), ClientSession() as session:
        await all_listen(base, 2)
        async with blocker.transaction():
            await blocker.execute("lock table images")
            running = asyncio.ensure_future(session.get(f"{base}/v2/images/{ONE}", headers=ANN))
            await waiting_for_a_lock(database)
            process.terminate()
            await all_listen(base, 0)
            assert process.returncode is None
        assert (await running).status == 404
        assert await process.wait() == 0
    await blocker.close()


async def test_a_worker_that_dies_takes_the_service_with_it_and_the_log_says_so(settings: dict[str, str]) -> None:
    async with serving(**settings) as (process, base):
        await all_listen(base, 2)
        dead, _ = workers_of(process)
        os.kill(dead, signal.SIGKILL)
        _, errors = await process.communicate()
        assert process.returncode == 1
        assert f"Worker {dead} ended with SIGKILL: stopping the service" in errors.decode()
        assert listeners(base) == 0


async def test_no_worker_outlives_its_parent(settings: dict[str, str]) -> None:
    async with serving(**settings) as (process, base):
        await all_listen(base, 2)
        process.kill()
        await all_listen(base, 0)


async def test_a_port_that_other_workers_share_is_in_use(settings: dict[str, str]) -> None:
    async with serving(**settings) as (_, base):
        await all_listen(base, 2)
        code, _, errors = await vitrine("serve", env=environment(port=base.rsplit(":", 1)[1], **settings))
    assert code == 1
    assert "in use" in errors


@pytest.mark.parametrize(
    ("setting", "value", "what"),
    [
        ("store", "", "STORE keeps records"),
        ("store", "memory://", "STORE keeps records"),
        ("stores", "memory://", "STORES keeps data"),
    ],
)
async def test_what_is_in_memory_cannot_be_shared(
    settings: dict[str, str], setting: str, value: str, what: str
) -> None:
    code, _, errors = await vitrine("serve", env=environment(**settings | {setting: value}))
    assert code == 1
    assert errors.startswith(f"vitrine: VITRINE_WORKERS is 2, but VITRINE_{what} in the memory")
    assert errors.count("\n") == 1
