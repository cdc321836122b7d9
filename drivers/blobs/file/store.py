"""The contract of blob stores over a folder."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Generator
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import islice
from os.path import normpath
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from drivers.blobs.file.folder import ABSENT, Folder, modified_at
from drivers.blobs.file.reader import BLOCK, FileReader, Source
from drivers.blobs.file.threads import Held, Threads
from drivers.blobs.file.upload import Upload
from drivers.blobs.keys import is_key
from drivers.blobs.options import BlobOptions
from drivers.blobs.protocol import StoredBlob
from drivers.errors import BlobNotFound, StoreReadOnly, StoreUnavailable

SCHEME = "file://"
# As many to read and to look as to write, so that nobody who reads waits for the syncs of those who write.
THREADS = 16
# Objects that are listed by one call.
BATCH = 500
# Letters and signs that a path has in a URL as they are (RFC 3986, `pchar`).
PLAIN = "/!$&'()*+,;=:@"

URL_MALFORMED = (
    "The URL of a file store is file:///absolute/folder, without `..` or doubled slashes, "
    "and with `?`, `#` and `%` of the folder's name percent-encoded."
)
NOT_OWNED = "The URL is not one of this store."


async def open_file_blobs(url: str, options: BlobOptions) -> "FileBlobs":
    """Open the folder of a URL, and make it if it is missing but not its parent. Raise StoreUnavailable."""
    path = _path(url)
    readers, writers = (Threads(THREADS, options.timeout) for _ in range(2))
    try:
        folder = await readers.run(partial(Folder, Path(path)))
    except BaseException:
        await readers.close()
        raise
    return FileBlobs(path, folder, readers, writers)


class FileBlobs:
    """Keeps every contract of BlobStore; the object of a key is a file of that name in the folder."""

    type = "file"
    read_only = False

    def __init__(self, path: str, folder: Folder, readers: Threads, writers: Threads) -> None:
        self.properties: dict[str, Any] = {"data_dir": path, "chunk_size": BLOCK, "thin_provisioning": False}
        self._prefix = f"{SCHEME}{quote(path, safe=PLAIN)}/"
        self._folder = folder
        self._readers = readers
        self._writers = writers

    def locate(self, key: str) -> str:
        """See BlobStore.locate."""
        return self._prefix + key

    def owns(self, url: str) -> bool:
        """See BlobStore.owns."""
        return url.startswith(self._prefix) and is_key(url.removeprefix(self._prefix))

    async def write(self, url: str, blocks: AsyncIterable[bytes], *, size: int | None = None) -> None:
        """See BlobStore.write; that there is no room for `size` bytes is told before the first block is asked for."""
        if not self.owns(url):
            raise StoreReadOnly(NOT_OWNED)
        upload = Upload(self._writers, self._folder, self._key(url))
        try:
            await upload.begin(size)
            async for block in blocks:
                await upload.take(block)
            await upload.finish()
        except BaseException:
            await upload.abandon()
            raise

    async def open(self, url: str) -> FileReader:
        """See BlobStore.open."""
        source = Source()
        held = Held(self._readers, source.close)
        try:
            await held.run(partial(source.open, self._folder, self._key(url)))
        except BaseException:
            held.release()
            raise
        return FileReader(source, held)

    async def size(self, url: str) -> int:
        """See BlobStore.size."""
        return (await self._readers.run(partial(self._folder.stat, self._key(url)))).st_size

    async def delete(self, url: str) -> None:
        """See BlobStore.delete; what was deleted stays so after a crash of the machine."""
        with suppress(BlobNotFound):
            await self._writers.run(partial(self._folder.remove, self._key(url)))

    async def list(self) -> AsyncIterator[StoredBlob]:
        """See BlobStore.list."""
        blobs = self._blobs()
        held = Held(self._readers, blobs.close)
        try:
            while batch := await held.run(lambda: [*islice(blobs, BATCH)]):
                for blob in batch:
                    yield blob
        finally:
            held.release()

    async def clean(self, older_than: datetime, *, dry_run: bool = False) -> int:
        """See BlobStore.clean; a write counts as begun when something of it was last written."""
        names = await self._writers.run(partial(self._folder.unfinished, older_than))
        if not dry_run:
            for name in names:
                await self._writers.run(partial(self._folder.discard, name))
        return len(names)

    async def check(self) -> None:
        """See BlobStore.check; a full store passes: it can be read, and tells its writers."""
        await self._readers.run(self._folder.check)

    async def close(self) -> None:
        """See BlobStore.close; a file system that does not answer keeps its descriptors until the process ends."""
        if all(await asyncio.gather(self._readers.close(), self._writers.close())):
            self._folder.close()

    def _key(self, url: str) -> str:
        if not self.owns(url):
            raise BlobNotFound(ABSENT)
        return url.removeprefix(self._prefix)

    def _blobs(self) -> Generator[StoredBlob, None, None]:
        for key, found in self._folder.objects():
            yield StoredBlob(self.locate(key), found.st_size, modified_at(found))


def _path(url: str) -> str:
    """Read the folder's path off a URL. Raise StoreUnavailable, without quoting the URL."""
    written = url[len(SCHEME) :].removesuffix("/")
    with suppress(UnicodeError):
        path = unquote(written.encode(), errors="strict")
        plain = not set("?#\0") & set(written) and "\0" not in path
        if plain and path.startswith("/") and path == normpath(path) and not path.startswith("//"):
            return path
    raise StoreUnavailable(URL_MALFORMED)
