"""The contract every blob store keeps: bytes under names, whole or not at all."""

from collections.abc import AsyncIterable, AsyncIterator
from datetime import datetime
from typing import Any, Protocol

import msgspec


class StoredBlob(msgspec.Struct, frozen=True):
    """An object as a store lists it: its URL, its bytes, and since when it is there."""

    url: str
    size: int
    modified_at: datetime


class BlobReader(Protocol):
    """An object opened for reading. Deleting the object meanwhile cuts a read short with an error, or not at all."""

    size: int
    # The descriptor of a local file that holds the object from offset 0, for those who can send it from there.
    descriptor: int | None

    def blocks(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Read from `start` up to, and without, `end`, in blocks of at most a few MiB; several reads may go on at once.

        Raise StoreUnavailable, or BlobNotFound, when not all of it can be read.
        """

    async def close(self) -> None:
        """Free what is held; no read may follow or be under way."""


class BlobStore(Protocol):
    """Objects by URL; any number of processes may share one store.

    Any method that waits raises StoreUnavailable when the storage does not answer in time. No text of an error holds a
    password, a path of the machine or a URL.
    """

    # The kind of store as clients know it, such as `file`; and whether `write` and `delete` are refused.
    type: str
    read_only: bool
    # What operators are shown of the configuration, no secret among it (reference section 2.9).
    properties: dict[str, Any]

    def locate(self, key: str) -> str:
        """Give the URL that the object of a key has or would have; `keys.py` says what a key is.

        The URL holds no user, password or token. Raise StoreReadOnly.
        """

    def owns(self, url: str) -> bool:
        """Tell whether the URL is one that `locate` gives, or for a read-only store one that it can read.

        Spelt in any other way (`..`, doubled slashes, escapes) it is not.
        """

    async def write(self, url: str, blocks: AsyncIterable[bytes], *, size: int | None = None) -> None:
        """Keep what `blocks` gives, of `size` bytes where that is known, as the object at an owned URL.

        When this returns, the object is whole and survives a crash of the machine. Until then no reader, list or
        `size` meets it, and when it raises, because `blocks` did or was cancelled, nothing of it stays: what a killed
        process leaves behind, `clean` removes. Memory is bounded, whatever the size.
        Raise BlobExists when there is an object at the URL, StoreFull, StoreReadOnly also when the URL is not owned.
        """

    async def open(self, url: str) -> BlobReader:
        """Open an object. Raise BlobNotFound, also for a URL that is not owned."""

    async def size(self, url: str) -> int:
        """Tell the bytes of an object. Raise BlobNotFound, also for a URL that is not owned."""

    async def delete(self, url: str) -> None:
        """Remove an object; one that is not there, or not owned, is passed over. Raise StoreReadOnly."""

    def list(self) -> AsyncIterator[StoredBlob]:
        """List all objects, in no order; one that comes or goes meanwhile may be among them or not."""

    async def clean(self, older_than: datetime, *, dry_run: bool = False) -> int:
        """Remove what unfinished writes begun before then left behind; tell how many there were."""

    async def check(self) -> None:
        """Raise StoreUnavailable unless objects can be read, and written where the store is writable."""

    async def close(self) -> None:
        """Free what the driver holds; no other call may follow."""
