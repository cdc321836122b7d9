"""What only the store of files has to prove: what else may be in its folder, and what may become of it."""

import asyncio
import errno
import os
import socket
import stat
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drivers.blobs.protocol import BlobStore
from drivers.blobs.registry import open_blobs
from drivers.errors import BlobNotFound, StoreUnavailable
from tests.blob_conformance import (
    BIG,
    HOUR,
    KEY,
    MIB,
    OTHER_KEY,
    SMALL,
    joined,
    leaves_nothing,
    listed,
    opened,
    pieces,
    read,
    refuses,
    stuck_writer,
    write,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "images"


@pytest.fixture
async def store(folder: Path) -> AsyncIterator[BlobStore]:
    store = await open_blobs(f"file://{folder}")
    yield store
    await store.close()


def open_files(folder: Path) -> list[str]:
    """List what this process has open of a folder and in it."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(str(descriptor.readlink()))
    return sorted(path for path in found if path.startswith(str(folder)))


async def test_an_object_is_the_file_of_its_key(store: BlobStore, folder: Path) -> None:
    assert await write(store) == f"file://{folder}/{KEY}"
    assert (folder / KEY).read_bytes() == SMALL


async def test_a_file_that_somebody_put_there_is_an_object(store: BlobStore, folder: Path) -> None:
    (folder / "found").write_bytes(SMALL)
    assert await read(store, store.locate("found")) == SMALL


async def test_nobody_else_may_read_the_data(store: BlobStore, folder: Path) -> None:
    await write(store)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / ".writing", folder / KEY)]
    assert modes == [0o700, 0o700, 0o600]


async def test_operators_are_shown_where_it_is(store: BlobStore, folder: Path) -> None:
    assert store.type == "file"
    assert store.properties == {"data_dir": str(folder), "chunk_size": MIB, "thin_provisioning": False}


@pytest.mark.parametrize("name", ["with space", "%41", "a+b", "ü", "100%", "a#b?c", "a:b@c=d,e;f"])
async def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    url = (tmp_path / name).as_uri()
    store = await open_blobs(f"{url}/")
    location = await write(store)
    assert location.isascii()
    assert not set(location) & set(" ?#")
    assert (tmp_path / name / KEY).read_bytes() == SMALL
    await store.close()
    again = await open_blobs(url)
    assert await read(again, location) == SMALL
    await again.close()


@pytest.mark.parametrize(
    "url",
    [
        "file://",
        "file:///",
        "file://images",
        "file://host/secret",
        "file:////secret",
        "file:///tmp//secret",
        "file:///tmp/../secret",
        "file:///tmp/./secret",
        "file:///tmp/secret/..",
        "file:///tmp/%2e%2e/secret",
        "file:///tmp/secret?a=b",
        "file:///tmp/secret#a",
        "file:///tmp/secret%00",
        "file:///tmp/secret\0",
        "file:///tmp/secret%ff",
        "file:///tmp/secret\udcff",
    ],
)
async def test_a_url_that_is_not_plainly_a_folder_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(StoreUnavailable, match="file:///absolute/folder") as refusal:
        await open_blobs(url)
    assert "secret" not in str(refusal.value)


async def test_a_folder_without_a_parent_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="mount or create it"):
        await open_blobs(f"file://{tmp_path}/unmounted/images")
    assert list(tmp_path.iterdir()) == []


async def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "images").touch()
    with pytest.raises(StoreUnavailable, match="no folder"):
        await open_blobs(f"file://{tmp_path}/images")


async def test_the_folder_may_be_reached_by_a_link(tmp_path: Path, store: BlobStore, folder: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    linked = await open_blobs(f"file://{tmp_path}/link")
    await write(linked)
    await linked.check()
    assert await read(store, store.locate(KEY)) == SMALL
    await linked.close()


async def test_unfinished_objects_are_not_led_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / ".writing").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(StoreUnavailable):
        await open_blobs(f"file://{tmp_path}")


def link_outside(path: Path) -> None:
    (path.parent.parent / "secret").write_text("secret")
    path.symlink_to(path.parent.parent / "secret")


def link_inside(path: Path) -> None:
    (path.parent / "object").write_text("object")
    path.symlink_to("object")


@pytest.mark.parametrize("make", [link_outside, link_inside, os.mkfifo, os.mkdir, lambda path: path.symlink_to(path)])
async def test_only_files_are_objects(store: BlobStore, folder: Path, make: Callable[[Path], None]) -> None:
    make(folder / KEY)
    url = store.locate(KEY)
    await refuses(BlobNotFound, store.open(url))
    await refuses(BlobNotFound, store.size(url))
    assert url not in await listed(store)
    await store.delete(url)
    assert os.path.lexists(folder / KEY)


@pytest.mark.parametrize("name", [".hidden", "a b", "ü", "a" * 201, ".nfs0001"])
async def test_files_of_other_names_are_not_listed(store: BlobStore, folder: Path, name: str) -> None:
    (folder / name).touch()
    assert await listed(store) == {}


async def test_lists_at_once_do_not_disturb_each_other(store: BlobStore, folder: Path) -> None:
    for number in range(1200):
        (folder / f"object-{number}").touch()
    counts = await asyncio.gather(*(listed(store) for _ in range(5)))
    assert [len(each) for each in counts] == [1200] * 5


async def test_the_descriptor_can_be_sent_from(store: BlobStore) -> None:
    async with opened(store, await write(store, BIG)) as reader:
        assert reader.descriptor is not None
        ours, theirs = socket.socketpair()
        with ours, theirs:
            assert os.sendfile(ours.fileno(), reader.descriptor, MIB + 1, 1000) == 1000
            assert theirs.recv(2000) == BIG[MIB + 1 : MIB + 1001]
        # What was sent has moved no place that other reads go by.
        assert await joined(reader, 0, 10) == BIG[:10]


async def test_a_file_cut_short_under_a_reader_is_an_error(store: BlobStore, folder: Path) -> None:
    async with opened(store, await write(store, BIG)) as reader:
        os.truncate(folder / KEY, 5 * MIB + 5)
        assert await joined(reader, 0, 5 * MIB + 5) == BIG[: 5 * MIB + 5]
        await refuses(StoreUnavailable, joined(reader, 0, reader.size))


@pytest.mark.parametrize("size", [0, 3, 10**6, 25 * MIB])
async def test_a_size_that_proves_wrong_was_only_a_hint(store: BlobStore, size: int) -> None:
    await store.write(store.locate(KEY), pieces(BIG[: 3 * MIB]), size=size)
    assert await read(store, store.locate(KEY)) == BIG[: 3 * MIB]


async def test_a_writer_whose_leftovers_were_cleaned_away_too_early_is_told(store: BlobStore) -> None:
    async def cleaned() -> AsyncIterator[bytes]:
        yield BIG[: 2 * MIB]
        assert await store.clean(datetime.now(UTC) + HOUR) == 1
        yield BIG[2 * MIB :]

    await refuses(StoreUnavailable, store.write(store.locate(KEY), cleaned()))
    await leaves_nothing(store)


async def test_cleaning_goes_by_the_age_of_what_is_left(store: BlobStore, folder: Path) -> None:
    for name, age in (("old", 7200), ("young", 0)):
        path = folder / ".writing" / name
        path.touch()
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    assert await store.clean(datetime.now(UTC) - HOUR) == 1
    assert [path.name for path in (folder / ".writing").iterdir()] == ["young"]


@pytest.mark.parametrize("replaced", [True, False])
async def test_another_folder_of_the_same_name_is_never_taken_for_it(
    store: BlobStore, folder: Path, replaced: bool
) -> None:
    url = await write(store)
    folder.rename(folder.parent / "away")
    if replaced:
        folder.mkdir()
    await refuses(StoreUnavailable, write(store, key=OTHER_KEY))
    await refuses(StoreUnavailable, store.check())
    assert await read(store, url) == SMALL
    (folder.parent / "away").rename(folder)
    await store.check()
    await write(store, key=OTHER_KEY)


async def test_nothing_stays_open(store: BlobStore, folder: Path) -> None:
    before = open_files(folder)
    url = await write(store, BIG)
    writing = await stuck_writer(store, b"")
    reading = [asyncio.create_task(read(store, url)) for _ in range(5)]
    await asyncio.sleep(0.001)
    opening = [asyncio.create_task(store.open(url)) for _ in range(50)]
    await asyncio.sleep(0)
    for task in (writing, *reading, *opening):
        task.cancel()
    await asyncio.gather(writing, *reading, return_exceptions=True)
    for answer in await asyncio.gather(*opening, return_exceptions=True):
        if not isinstance(answer, BaseException):
            await answer.close()
    async for _ in store.list():
        pass
    await read(store, url)
    async with asyncio.timeout(10):
        while open_files(folder) != before:  # noqa: ASYNC110 - threads close what they have read last
            await asyncio.sleep(0.001)


async def test_a_closed_store_leaves_neither_threads_nor_open_files(folder: Path) -> None:
    store = await open_blobs(f"file://{folder}")
    async with opened(store, await write(store, BIG)):
        assert workers()
    await store.close()
    assert open_files(folder) == []
    assert not workers()


def workers() -> list[threading.Thread]:
    """List the threads of all stores of this process."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("vitrine-file")]


async def test_a_sync_that_failed_on_the_way_is_not_forgotten(
    store: BlobStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs = 0

    def fsync(descriptor: int) -> None:
        # Linux tells of a failed write-back once, and syncs what comes later as if nothing had been.
        nonlocal syncs
        syncs += 1
        if syncs == 1:
            raise OSError(errno.EIO, "failed")

    monkeypatch.setattr(os, "fsync", fsync)
    await refuses(StoreUnavailable, store.write(store.locate(KEY), pieces(BIG * 3)))
    await leaves_nothing(store)
