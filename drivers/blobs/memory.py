"""The contract of blob stores in a dictionary, for demos and tests, and its plainest statement."""

from collections.abc import AsyncIterable, AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

from drivers.blobs.keys import is_key
from drivers.blobs.options import BlobOptions
from drivers.blobs.protocol import StoredBlob
from drivers.errors import BlobExists, BlobNotFound, StoreReadOnly, StoreUnavailable

BLOCK = 1 << 20
PREFIX = "memory:///"


async def open_memory_blobs(url: str, options: BlobOptions) -> "MemoryBlobs":
    """Open an empty store that lives as long as the process; the URL is `memory://`, and the options are not used."""
    return MemoryBlobs()


def utc_now() -> datetime:
    """Tell the time, in UTC."""
    return datetime.now(UTC)


class MemoryBlobs:
    """Keeps every contract of BlobStore, but forgets all with the process; an object is one `bytes`."""

    type = "memory"
    read_only = False

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self.properties: dict[str, Any] = {}
        self._clock = clock
        self._objects: dict[str, tuple[bytes, datetime]] = {}

    def locate(self, key: str) -> str:
        """See BlobStore.locate."""
        return PREFIX + key

    def owns(self, url: str) -> bool:
        """See BlobStore.owns."""
        return url.startswith(PREFIX) and is_key(url.removeprefix(PREFIX))

    async def write(self, url: str, blocks: AsyncIterable[bytes], *, size: int | None = None) -> None:
        """See BlobStore.write."""
        if not self.owns(url):
            raise StoreReadOnly("The URL is not one of this store.")
        written = b"".join([block async for block in blocks])
        if url in self._objects:
            raise BlobExists("There is an object of this name already.")
        self._objects[url] = written, self._clock()

    async def open(self, url: str) -> "MemoryReader":
        """See BlobStore.open; a deleted object is read to its end."""
        return MemoryReader(self._content(url))

    async def size(self, url: str) -> int:
        """See BlobStore.size."""
        return len(self._content(url))

    async def delete(self, url: str) -> None:
        """See BlobStore.delete."""
        self._objects.pop(url, None)

    async def list(self) -> AsyncIterator[StoredBlob]:
        """See BlobStore.list."""
        for url, (content, modified_at) in list(self._objects.items()):
            yield StoredBlob(url, len(content), modified_at)

    async def clean(self, older_than: datetime, *, dry_run: bool = False) -> int:
        """See BlobStore.clean; an unfinished write leaves nothing."""
        return 0

    async def check(self) -> None:
        """Serve always: there is nothing that could be away."""

    async def close(self) -> None:
        """Forget nothing: a store opened once stays readable to whoever still holds it."""

    def _content(self, url: str) -> bytes:
        try:
            return self._objects[url][0]
        except KeyError:
            raise BlobNotFound("There is no object of this name.") from None


class MemoryReader:
    """An object's bytes, held as long as somebody reads them."""

    descriptor: int | None = None

    def __init__(self, content: bytes) -> None:
        self.size = len(content)
        self._content = content

    async def blocks(self, start: int, end: int) -> AsyncIterator[bytes]:
        """See BlobReader.blocks."""
        if end > self.size:
            raise StoreUnavailable("The object ends before what was asked of it.")
        for offset in range(start, end, BLOCK):
            yield self._content[offset : min(offset + BLOCK, end)]

    async def close(self) -> None:
        """See BlobReader.close."""
