"""Processes that die or fall asleep in mid upload: any other puts right what they leave, and they harm nobody later."""

import asyncio
import os
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession

from tests.callers import by
from tests.processes import serving
from tests.transfers import DATA, OCTETS, Steps, until

TOKENS = "- {token: token-of-ann, user_id: ann, project_id: p1, roles: [member, reader]}\n"
HEADERS = by("ann", **OCTETS)
Replica = tuple[Process, str]


@pytest.fixture
async def replicas(database: str, tmp_path: Path) -> AsyncIterator[tuple[Replica, Replica]]:
    """Give two processes of one service, by their base URLs, whose leases are short."""
    (tmp_path / "tokens.yaml").write_text(TOKENS)
    settings = {
        "tokens": "static",
        "tokens_file": f"{tmp_path}/tokens.yaml",
        "store": database,
        "stores": f"file://{tmp_path}/blobs",
        "lease_seconds": "1",
        "drain_seconds": "0.5",
    }
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(serving(**settings)) for _ in range(2)]
        yield first, second


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    """Give an HTTP client."""
    async with ClientSession() as session:
        yield session


async def created(session: ClientSession, base: str) -> str:
    body = {"disk_format": "raw", "container_format": "bare"}
    async with session.post(f"{base}/v2/images", json=body, headers=by("ann")) as response:
        return f"/v2/images/{(await response.json())['id']}"


async def put(session: ClientSession, url: str, data: object) -> int:
    """Upload; give the status of the answer, 0 where there is none."""
    try:
        async with session.put(url, data=data, headers=HEADERS) as response:
            return response.status
    except ClientError:
        return 0


async def becomes(session: ClientSession, url: str, status: str) -> None:
    async def has_become() -> bool:
        async with session.get(url, headers=by("ann")) as response:
            return str((await response.json())["status"]) == status

    await until(has_become)


def files(folder: Path) -> list[bytes]:
    """Read all that is in a store, unfinished or not."""
    return [path.read_bytes() for path in (folder / "blobs").rglob("*") if path.is_file()]


@pytest.mark.parametrize("to", ["file", "stage"])
async def test_an_upload_whose_process_is_killed_can_be_tried_again_at_another(
    replicas: tuple[Replica, Replica], session: ClientSession, to: str
) -> None:
    (process, dead), (_, alive) = replicas
    path = await created(session, alive)
    upload = asyncio.create_task(put(session, f"{dead}{path}/{to}", Steps().send(DATA).body()))
    await becomes(session, alive + path, "saving" if to == "file" else "uploading")
    process.kill()
    assert await upload == 0
    await becomes(session, alive + path, "queued")
    assert await put(session, f"{alive}{path}/{to}", b"the second try") == 204


async def test_a_process_that_only_slept_takes_nothing_from_who_came_after_it(
    replicas: tuple[Replica, Replica], session: ClientSession, tmp_path: Path
) -> None:
    (process, asleep), (_, alive) = replicas
    path = await created(session, alive)
    steps = Steps().send(DATA)
    upload = asyncio.create_task(put(session, f"{asleep}{path}/file", steps.body()))
    await becomes(session, alive + path, "saving")
    os.kill(process.pid, signal.SIGSTOP)
    await becomes(session, alive + path, "queued")
    later = Steps().send(DATA)
    second = asyncio.create_task(put(session, f"{alive}{path}/file", later.body()))
    await becomes(session, alive + path, "saving")
    os.kill(process.pid, signal.SIGCONT)
    steps.end()
    assert await upload == 410
    later.send(b"the second try").end()
    assert await second == 204
    async with session.get(f"{alive}{path}/file", headers=by("ann")) as response:
        assert await response.read() == DATA + b"the second try"

    async def is_alone() -> bool:
        return files(tmp_path) == [DATA + b"the second try"]

    await until(is_alone)


async def test_a_stop_gives_up_the_uploads_that_do_not_end_in_time(
    replicas: tuple[Replica, Replica], session: ClientSession, tmp_path: Path
) -> None:
    (process, stopping), (_, alive) = replicas
    path = await created(session, alive)
    upload = asyncio.create_task(put(session, f"{stopping}{path}/file", Steps().send(DATA).body()))
    await becomes(session, alive + path, "saving")
    process.terminate()
    await becomes(session, alive + path, "queued")
    assert await upload in {0, 400}
    assert await asyncio.wait_for(process.wait(), 10) == 0
    assert files(tmp_path) == []
