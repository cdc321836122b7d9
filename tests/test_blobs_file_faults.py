"""What a killed process, a full disk and a failing or hanging file system do to the store of files."""

import asyncio
import gc
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any
from weakref import ref

import pytest

from drivers.blobs.file.threads import Held, Threads
from drivers.blobs.protocol import BlobStore
from drivers.blobs.registry import open_blobs
from drivers.errors import StoreUnavailable
from tests.blob_conformance import BIG, KEY, MIB, LeftoverConformance, listed, read
from tests.blob_process import command, started, told

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@pytest.fixture
def namespace() -> Sequence[str]:
    """Give what to put before a command, so that it may mount file systems which only it and its children see."""
    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    mount = ["mount", "-t", "tmpfs", "none", "/mnt"]
    if not shutil.which("unshare") or subprocess.run([*namespace, *mount], capture_output=True, check=False).returncode:
        pytest.skip("no process may mount a file system here that only its children see")
    return namespace


def mounted(folder: Path, options: str, *, by: Sequence[str], then: str = "") -> list[str]:
    """Give the command on a folder where a tmpfs(5) with these options is mounted first."""
    return ["sh", "-c", f'mount -t tmpfs -o {options} none "$0" && "$@" {then}', str(folder), *by]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "images"


@pytest.fixture
async def store(folder: Path) -> AsyncIterator[BlobStore]:
    store = await open_blobs(f"file://{folder}")
    yield store
    await store.close()


def traced(*options: str, by: Sequence[str]) -> list[str]:
    """Give the command under strace with these options."""
    return ["strace", "--follow-forks", "--quiet=all", *options, *by]


async def attempted(by: Sequence[str]) -> dict[str, Any]:
    """Run the scene `attempt`, and give what it said."""
    (said,) = await told(by)
    assert isinstance(said, dict)
    return said


async def broken(fault: str, folder: Path, *options: str, only: Sequence[str] = ()) -> dict[str, Any]:
    """Run the scene `attempt` on a folder with a fault injected into a system call, both as strace(1) has it."""
    call, _, _ = fault.partition(":")
    by = command("attempt", f"file://{folder}", "--length", str(3 * MIB), *options)
    return await attempted(traced("-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={fault}", *only, by=by))


class TestKilled(LeftoverConformance):
    @pytest.fixture
    def abandon(self, folder: Path) -> Callable[[], Awaitable[None]]:
        async def abandon() -> None:
            process = await started("leave-stuck", f"file://{folder}", "--length", str(5 * MIB))
            assert process.stdout is not None
            assert await process.stdout.readline() == b'"stuck"\n'
            process.kill()
            await process.wait()

        return abandon


@pytest.mark.parametrize("moment", range(6))
async def test_what_a_killed_process_had_written_is_whole(store: BlobStore, folder: Path, moment: int) -> None:
    length = 100_001 * (1 + moment)
    process = await started("write-on", f"file://{folder}", "--length", str(length))
    assert process.stdout is not None
    first = await process.stdout.readline()
    await asyncio.sleep(moment / 50)
    process.kill()
    rest, _ = await process.communicate()
    written = [json.loads(line) for line in (first + rest).splitlines()]
    sizes = await listed(store)
    # The last one may have been whole already, but not yet told of.
    assert len(written) <= len(sizes) <= len(written) + 1
    assert set(written) <= set(sizes)
    for number in range(1, len(sizes) + 1):
        assert await read(store, store.locate(f"object-{number}")) == BIG[: number * length]


@needs_strace
async def test_all_is_on_the_disk_before_it_is_said(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    calls = "trace=mkdir,pwrite64,fsync,linkat,unlinkat,write"
    by = command("write-and-delete", f"file://{tmp_path}/images", "--length", str(3 * MIB))
    assert await told(traced("--decode-fds=path", "-o", str(trace), "-e", calls, by=by)) == ["written", "deleted"]
    about = [line for line in trace.read_text().splitlines() if str(tmp_path) in line or '"\\"' in line]
    assert [_event(line, tmp_path) for line in about] == [
        ("mkdir", "images"),
        ("fsync", ""),
        ("pwrite64", "images/.writing/name"),
        ("fsync", "images/.writing/name"),
        ("linkat", "images/.writing"),
        ("fsync", "images"),
        ("unlinkat", "images/.writing"),
        ("write", "written"),
        ("unlinkat", "images"),
        ("fsync", "images"),
        ("write", "deleted"),
    ]


def _event(line: str, folder: Path) -> tuple[str, str]:
    """Read off a line of strace the call, and the file or the text that it is about."""
    found = re.fullmatch(r"\d+ +(\w+)\((.*)\) += \d+", line)
    assert found, line
    said = re.search(r'"\\"(\w+)', found[2])
    path = re.search(rf'{re.escape(str(folder))}/?([^>"]*)', found[2])
    about = said or path
    assert about
    return found[1], re.sub("[0-9a-f]{32}", "name", about[1])


@needs_strace
@pytest.mark.parametrize("fault", ["EPERM", "EOPNOTSUPP"])
async def test_without_hard_links_objects_are_renamed_but_never_over_another(folder: Path, fault: str) -> None:
    said = await broken(f"linkat:error={fault}", folder)
    assert (said["write"], said["again"]) == ([], [])
    assert said["read"] == {f"file://{folder}/{KEY}": 3 * MIB, f"file://{folder}/small": 5}
    again = await broken(f"linkat:error={fault}", folder)
    assert (again["write"][0], again["again"][0]) == ("BlobExists", "BlobExists")
    assert again["read"] == said["read"]


@needs_strace
@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("pwrite64:error=ENOSPC", "StoreFull", "no room"),
        ("pwrite64:error=EDQUOT", "StoreFull", "quota"),
        ("pwrite64:error=EIO", "StoreUnavailable", "EIO"),
        ("pwrite64:error=ESTALE", "StoreUnavailable", "mount"),
        ("fsync:error=EIO", "StoreUnavailable", "EIO"),
        ("fsync:error=ENOSPC", "StoreFull", "no room"),
        ("linkat:error=EIO", "StoreUnavailable", "EIO"),
        ("linkat:error=EXDEV", "StoreUnavailable", "another file system"),
        ("linkat:error=EDQUOT", "StoreFull", "quota"),
    ],
)
async def test_what_the_file_system_refuses_is_said_and_leaves_nothing(
    store: BlobStore, folder: Path, fault: str, kind: str, words: str
) -> None:
    said = await broken(fault, folder)
    assert said["write"][0] == said["again"][0] == kind
    assert words in said["write"][1]
    assert "/" not in said["write"][1]
    assert (said["listed"], said["read"], said["check"]) == ({}, {}, [])


@needs_strace
async def test_an_object_whose_name_may_not_survive_is_taken_back(store: BlobStore, folder: Path) -> None:
    said = await broken("fsync:error=EIO", folder, only=[f"--trace-path={folder}"])
    assert said["write"][0] == said["again"][0] == "StoreUnavailable"
    assert said["listed"] == {}


@needs_strace
@pytest.mark.parametrize("call", ["fsync", "linkat"])
async def test_a_file_system_that_hangs_is_unavailable_and_keeps_nobody_else_waiting(
    store: BlobStore, folder: Path, call: str
) -> None:
    # Long enough to be given up, and to end while its remains are waited for.
    said = await broken(f"{call}:delay_enter=3000000", folder, "--timeout", "2")
    assert said["write"] == said["again"] == ["StoreUnavailable", "The store's file system does not answer in time."]
    assert said["listed"] == {}
    assert said["ticks"] > 5


@pytest.mark.parametrize("scene", ["attempt", "attempt-sized"])
async def test_a_full_disk_is_said_and_leaves_nothing(namespace: Sequence[str], folder: Path, scene: str) -> None:
    folder.mkdir()
    by = command(scene, f"file://{folder}", "--length", str(20 * MIB))
    said = await attempted([*namespace, *mounted(folder, "size=8m", by=by)])
    assert said["write"][0] == "StoreFull"
    assert (said["listed"], said["check"], said["again"]) == ({}, [], [])
    # What is known not to fit is not even begun with.
    assert (said["taken"] == 0) == (scene == "attempt-sized")


async def test_where_no_more_files_can_be_the_store_is_full_and_not_away(
    namespace: Sequence[str], folder: Path
) -> None:
    folder.mkdir()
    by = command("attempt", f"file://{folder}")
    said = await attempted([*namespace, *mounted(folder, "nr_inodes=2", by=by)])
    assert (said["write"][0], said["again"][0], said["check"]) == ("StoreFull", "StoreFull", [])


async def test_a_read_only_file_system_can_be_read_and_says_what_to_do(namespace: Sequence[str], folder: Path) -> None:
    folder.mkdir()
    by = command("attempt", f"file://{folder}")
    again = '&& mount -o remount,ro "$0" && "$@"'
    before, after = await told([*namespace, *mounted(folder, "size=8m", by=by, then=again)])
    assert before["write"] == []
    assert after["read"] == before["read"]
    for answer in (after["write"], after["again"], after["check"]):
        assert answer[0] == "StoreUnavailable"
        assert "mount it for writing" in answer[1]


async def test_a_file_too_big_for_its_file_system_is_refused(store: BlobStore, folder: Path) -> None:
    by = command("attempt", f"file://{folder}", "--length", str(5 * MIB), "--most", str(2 * MIB))
    said = await attempted(by)
    assert said["write"][0] == "StoreFull"
    assert (said["listed"], said["again"]) == ({}, [])


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
async def test_a_folder_of_somebody_else_says_what_to_do(tmp_path_factory: pytest.TempPathFactory) -> None:
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / ".writing").mkdir()
        said = await attempted(command("attempt", f"file://{folder}", "--user", "65534"))
    for answer in (said["write"], said["again"], said["check"]):
        assert answer[0] == "StoreUnavailable"
        assert "owner" in answer[1]


async def test_memory_is_bounded_whatever_the_size(folder: Path) -> None:
    (grown,) = await told(command("weigh", f"file://{folder}", "--length", str(300 * MIB)))
    assert grown < 20 * MIB


class TestThreads:
    """What becomes of calls that do not return."""

    @pytest.fixture
    def free(self) -> Iterator[Event]:
        event = Event()
        yield event
        event.set()

    @pytest.fixture
    async def threads(self, free: Event) -> AsyncIterator[Threads]:
        threads = Threads(2, timeout=0.1)
        yield threads
        free.set()
        await threads.close()

    async def test_once_all_are_stuck_nobody_waits_for_them(self, threads: Threads, free: Event) -> None:
        stuck = [threads.run(free.wait) for _ in range(4)]
        for answer in await asyncio.gather(*stuck, return_exceptions=True):
            assert isinstance(answer, StoreUnavailable)
        with pytest.raises(StoreUnavailable, match="for long"):
            threads.start(free.wait)
        free.set()
        async with asyncio.timeout(10):
            while True:
                with suppress(StoreUnavailable):
                    assert await threads.run(lambda: 1) == 1
                    return
                await asyncio.sleep(0.001)

    async def test_a_stuck_one_leaves_the_others_at_work(self, threads: Threads, free: Event) -> None:
        with pytest.raises(StoreUnavailable):
            await threads.run(free.wait)
        assert await asyncio.gather(*(threads.run(lambda: 1) for _ in range(20))) == [1] * 20

    async def test_to_wait_for_ones_turn_is_not_to_be_stuck(self) -> None:
        threads = Threads(1, timeout=0.4)
        assert await asyncio.gather(*(threads.run(lambda: time.sleep(0.05)) for _ in range(20))) == [None] * 20
        await threads.close()

    async def test_who_waits_for_a_turn_that_never_comes_is_told(self, threads: Threads, free: Event) -> None:
        abandoned = [threads.start(free.wait) for _ in range(2)]
        with pytest.raises(StoreUnavailable, match="for long"):
            await threads.run(free.wait)
        assert not any(call.result.done() for call in abandoned)

    async def test_who_gives_up_before_its_turn_is_not_served(self, threads: Threads, free: Event) -> None:
        for _ in range(2):
            threads.start(free.wait)
        made = Event()
        waiter = asyncio.create_task(threads.run(made.set))
        await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)
        await asyncio.sleep(0)
        free.set()
        await threads.close()
        assert not made.is_set()

    async def test_what_a_stuck_call_uses_ends_after_it(self, threads: Threads, free: Event) -> None:
        ended = Event()
        held = Held(threads, ended.set)
        with pytest.raises(StoreUnavailable):
            await held.run(free.wait)
        await held.close()
        assert not ended.is_set()
        free.set()
        assert await asyncio.to_thread(ended.wait, 10)

    async def test_what_a_call_used_and_gave_is_let_go_of_when_it_is_over(self) -> None:
        class Block:
            """What a call may hold."""

        def swap(_: Block) -> Block:
            return given.pop()

        taken, given = Block(), [Block()]
        seen = [ref(taken), ref(given[0])]
        threads = Threads(2, timeout=10)
        gc.disable()
        try:
            await threads.run(partial(swap, taken))
            del taken
            await threads.close()
            assert [each() for each in seen] == [None, None]
        finally:
            gc.enable()

    async def test_closing_does_not_wait_for_ever(self, threads: Threads, free: Event) -> None:
        with pytest.raises(StoreUnavailable):
            await threads.run(free.wait)
        assert not await threads.close()
        free.set()
        assert await threads.close()
