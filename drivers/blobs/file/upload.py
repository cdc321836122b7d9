"""One object on its way into a folder: written, synced as it grows, and named at last."""

import os
from contextlib import suppress
from functools import partial

from drivers.blobs.file.folder import Folder, new_name
from drivers.blobs.file.threads import Call, Held, Threads

BLOCK = 1 << 20
# What is left to the last sync has to reach the disk within one timeout, however big the object is.
SYNC_EVERY = 64 << 20
NONE = -1


class Upload:
    """Writes a file in blocks of at least 1 MiB, with a sync under way beside it; holds as much and one block more."""

    def __init__(self, threads: Threads, folder: Folder, key: str) -> None:
        self._threads = threads
        self._file = _Draft(folder, key)
        self._held = Held(threads, self._file.end)
        self._blocks: list[bytes] = []
        self._gathered = self._unsynced = 0
        self._syncing: Call[None] | None = None

    async def begin(self, size: int | None) -> None:
        """Make the file. Raise StoreFull when there is no room for `size` bytes."""
        await self._held.run(partial(self._file.create, size))

    async def take(self, block: bytes) -> None:
        """Write a block, or keep it for the next write."""
        if block:
            self._blocks.append(block)
            self._gathered += len(block)
        if self._gathered >= BLOCK:
            await self._write()

    async def finish(self) -> None:
        """Name the object, once all of it is on the disk. Raise BlobExists."""
        await self._write()
        await self._synced()
        await self._held.run(self._file.sync)
        await self._held.run(self._file.publish)
        self._file.kept = True
        self._held.release()

    async def abandon(self) -> None:
        """Leave nothing, as soon as the call under way has ended."""
        await self._held.close()

    async def _write(self) -> None:
        block = b"".join(self._blocks)
        self._blocks.clear()
        self._unsynced += self._gathered
        self._gathered = 0
        await self._held.run(partial(self._file.write, block))
        if self._unsynced >= SYNC_EVERY:
            await self._synced()
            self._syncing = self._held.start(self._file.sync)
            self._unsynced = 0

    async def _synced(self) -> None:
        if self._syncing is not None:
            await self._threads.wait(self._syncing)


class _Draft:
    """The file of an upload, as threads meet it: `create` first, `end` last, and no two writes at once."""

    def __init__(self, folder: Folder, key: str) -> None:
        self.kept = False
        self._folder = folder
        self._key = key
        self._name = new_name()
        self._descriptor = NONE
        self._size = 0
        self._named = False

    def create(self, size: int | None) -> None:
        self._descriptor = self._folder.create(self._name, size)

    def write(self, block: bytes) -> None:
        rest = memoryview(block)
        while rest:
            written = os.pwrite(self._descriptor, rest, self._size)
            self._size += written
            rest = rest[written:]

    def sync(self) -> None:
        os.fsync(self._descriptor)

    def publish(self) -> None:
        # Said before it is so: what fails half-way is undone as well.
        self._named = True
        self._folder.publish(self._name, self._key)

    def end(self) -> None:
        """Close the file, and unless it is kept, leave no name of it; what cannot be removed is for cleaning."""
        if self._descriptor == NONE:
            return
        if self._named and not self.kept:
            with suppress(OSError):
                self._folder.retract(self._descriptor, self._key)
        if not self.kept:
            with suppress(OSError):
                self._folder.discard(self._name)
        os.close(self._descriptor)
