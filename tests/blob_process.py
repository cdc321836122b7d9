"""A process of its own that uses a blob store, to be killed, traced or starved: `python -m tests.blob_process ...`."""

import argparse
import asyncio
import json
import os
import resource
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from drivers.blobs.options import BlobOptions
from drivers.blobs.protocol import BlobStore
from drivers.blobs.registry import open_blobs
from drivers.errors import StoreError
from tests.blob_conformance import BIG, HOUR, KEY, MIB, listed, opened, pieces, read, stuck_writer, write

ROOT = Path(__file__).parent.parent


def command(scene: str, url: str, *options: str) -> list[str]:
    """Give the command that plays a scene of this module on a store."""
    return [sys.executable, "-m", "tests.blob_process", scene, url, *options]


async def started(scene: str, url: str, *options: str) -> asyncio.subprocess.Process:
    """Start a scene; what it says is to be read."""
    return await asyncio.create_subprocess_exec(
        *command(scene, url, *options), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )


async def told(arguments: Sequence[str]) -> list[Any]:
    """Run a command to its end, and give the JSON values that it said."""
    process = await asyncio.create_subprocess_exec(*arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    return [json.loads(line) for line in output.splitlines()]


def say(value: Any) -> None:
    """Say a value as a line of JSON, at once."""
    os.write(1, f"{json.dumps(value)}\n".encode())


async def leave_stuck(store: BlobStore, length: int) -> None:
    """Write an object of which no more than this comes, say so and wait."""
    writer = await stuck_writer(store, BIG[:length])
    say("stuck")
    await writer


async def write_on(store: BlobStore, length: int) -> None:
    """Write objects for ever, each longer than the one before, and say the URL of each that is written."""
    for number in count(1):
        say(await write(store, BIG[: number * length], f"object-{number}"))


async def write_and_delete(store: BlobStore, length: int) -> None:
    """Write an object and delete it, and say when each is done."""
    url = await write(store, BIG[:length])
    say("written")
    await store.delete(url)
    say("deleted")


async def attempt(store: BlobStore, length: int, *, sized: bool = False) -> None:
    """Try to write an object, then a small one, to check the store and to read what it has; say what came of it.

    `ticks` are hundredths of a second in which the process had time for other things during the first write.
    """
    content, taken, ticks = bytes(length), 0, 0

    async def given() -> AsyncIterator[bytes]:
        nonlocal taken
        async for block in pieces(content):
            taken += len(block)
            yield block

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticker = asyncio.create_task(tick())
    first = await _answer(store.write(store.locate(KEY), given(), size=length if sized else None))
    ticker.cancel()
    await _settled(store)
    said: dict[str, Any] = {"write": first, "taken": taken, "ticks": ticks, "listed": await listed(store)}
    said["again"] = await _answer(write(store, b"small", "small"))
    said["check"] = await _answer(store.check())
    said["read"] = {url: len(await read(store, url)) for url in await listed(store)}
    say(said)


async def weigh(store: BlobStore, length: int) -> None:
    """Write an object and read it, and say by how many bytes the process grew."""
    before = _peak()

    async def given() -> AsyncIterator[bytes]:
        for number in range(length // MIB):
            yield bytes([number % 256]) * MIB

    await store.write(store.locate(KEY), given(), size=length)
    async with opened(store, store.locate(KEY)) as reader:
        async for _ in reader.blocks(0, length):
            pass
    say(_peak() - before)


async def _answer(action: Awaitable[object]) -> list[str]:
    try:
        await action
    except StoreError as error:
        return [type(error).__name__, str(error)]
    return []


async def _settled(store: BlobStore) -> None:
    """Wait for the threads that nobody waits for any more."""
    async with asyncio.timeout(60):
        while await store.clean(datetime.now(UTC) + HOUR, dry_run=True):  # noqa: ASYNC110 - nothing tells it
            await asyncio.sleep(0.01)


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) << 10


SCENES: Mapping[str, Callable[[BlobStore, int], Awaitable[None]]] = {
    "leave-stuck": leave_stuck,
    "write-on": write_on,
    "write-and-delete": write_and_delete,
    "attempt": attempt,
    "attempt-sized": partial(attempt, sized=True),
    "weigh": weigh,
}


async def main() -> None:
    """Play the scene that the arguments name."""
    parser = argparse.ArgumentParser()
    parser.add_argument("scene", choices=SCENES)
    parser.add_argument("url")
    parser.add_argument("--length", type=int, default=10)
    parser.add_argument("--timeout", type=float, default=30)
    parser.add_argument("--most", type=int, help="bytes that a file may have")
    parser.add_argument("--user", type=int, help="the user to become")
    parsed = parser.parse_args()
    if parsed.most is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (parsed.most, parsed.most))
    if parsed.user is not None:
        os.setuid(parsed.user)
    store = await open_blobs(parsed.url, BlobOptions(timeout=parsed.timeout))
    await SCENES[parsed.scene](store, parsed.length)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main())
