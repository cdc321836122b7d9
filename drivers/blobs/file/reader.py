"""Reading an object of a folder."""

import os
from collections.abc import AsyncIterator
from functools import partial

from drivers.blobs.file.folder import Folder
from drivers.blobs.file.threads import Held
from drivers.errors import StoreUnavailable

BLOCK = 1 << 20
CUT = "The object ends before what was asked of it."
NONE = -1


class Source:
    """An object's file, as threads meet it: `open` first, `close` last."""

    def __init__(self) -> None:
        self.descriptor = NONE
        self.size = 0

    def open(self, folder: Folder, key: str) -> None:
        """Open an object. Raise BlobNotFound."""
        self.take(folder.open(key))

    def take(self, descriptor: int) -> None:
        """Read from an open file, and close it in the end."""
        self.descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    def read(self, start: int, end: int) -> bytes:
        """Read a range. Raise StoreUnavailable when the file ends before it."""
        block = os.pread(self.descriptor, end - start, start)
        while len(block) < end - start:
            more = os.pread(self.descriptor, end - start - len(block), start + len(block))
            if not more:
                raise StoreUnavailable(CUT)
            block += more
        return block

    def close(self) -> None:
        """Close the file, where it was opened."""
        if self.descriptor != NONE:
            os.close(self.descriptor)


class FileReader:
    """Keeps the contract of BlobReader: a deleted object is read to its end."""

    def __init__(self, source: Source, held: Held) -> None:
        self.size = source.size
        self.descriptor: int | None = source.descriptor
        self._source = source
        self._held = held

    async def blocks(self, start: int, end: int) -> AsyncIterator[bytes]:
        """See BlobReader.blocks."""
        for offset in range(start, end, BLOCK):
            yield await self._held.run(partial(self._source.read, offset, min(offset + BLOCK, end)))

    async def close(self) -> None:
        """See BlobReader.close; a read that was cancelled may still be at it in a thread, and closes behind it."""
        self._held.release()
