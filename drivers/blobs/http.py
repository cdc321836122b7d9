"""Objects on other people's web servers, by their URLs: read only."""

from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Never

from drivers.blobs.fetch import Fetcher
from drivers.blobs.fetched import Fetched
from drivers.blobs.guard import parse_url
from drivers.blobs.options import BlobOptions
from drivers.blobs.protocol import StoredBlob
from drivers.errors import BlobNotFound, FetchRefused, StoreReadOnly, StoreUnavailable


async def open_http(url: str, options: BlobOptions) -> "HttpBlobs":
    """Open the store of all that is at `http://` and `https://` URLs; either is its URL. Raise StoreUnavailable."""
    if url not in {"http://", "https://"}:
        raise StoreUnavailable("The store of web servers is `http://`, without a host: URLs of images name theirs.")
    return HttpBlobs(Fetcher(options))


class HttpBlobs:
    """Keeps every contract of BlobStore as far as reading goes.

    Which URLs are served beyond the guard's own rules is for the fetcher's `allowed` to say.
    """

    type = "http"
    read_only = True

    def __init__(self, fetcher: Fetcher) -> None:
        self.properties: dict[str, Any] = {}
        self._fetcher = fetcher

    def locate(self, key: str) -> str:
        """Raise StoreReadOnly: there is no URL for a new object."""
        _refuse()

    def owns(self, url: str) -> bool:
        """See BlobStore.owns; whether the host may be fetched from shows when it is opened."""
        try:
            return _spelt_plainly(url, str(parse_url(url)))
        except FetchRefused:
            return False

    async def write(self, url: str, blocks: AsyncIterable[bytes], *, size: int | None = None) -> None:
        """Raise StoreReadOnly."""
        _refuse()

    async def open(self, url: str) -> "HttpReader":
        """See BlobStore.open; a server that does not tell the length is unavailable."""
        with self._owned(url):
            fetched = await self._fetcher.open(url)
        if fetched.size is None:
            await fetched.close()
            raise StoreUnavailable("The URL's server does not tell the length of what it has.")
        return HttpReader(fetched, fetched.size)

    async def size(self, url: str) -> int:
        """See BlobStore.size."""
        with self._owned(url):
            return await self._fetcher.size(url)

    async def delete(self, url: str) -> None:
        """Raise StoreReadOnly."""
        _refuse()

    async def list(self) -> AsyncIterator[StoredBlob]:
        """List nothing: nobody can tell what there is."""
        known: tuple[StoredBlob, ...] = ()
        for each in known:
            yield each

    async def clean(self, older_than: datetime, *, dry_run: bool = False) -> int:
        """See BlobStore.clean; nothing is ever written."""
        return 0

    async def check(self) -> None:
        """Serve always: which servers matter only the URLs of images tell."""

    async def close(self) -> None:
        """See BlobStore.close."""
        await self._fetcher.close()

    @contextmanager
    def _owned(self, url: str) -> Iterator[None]:
        if not self.owns(url):
            raise BlobNotFound("The URL is none that this store can read.")
        try:
            yield
        except FetchRefused as error:
            raise BlobNotFound(str(error)) from error


class HttpReader:
    """The content of a URL, in the version that was there when it was opened."""

    descriptor: int | None = None

    def __init__(self, fetched: Fetched, size: int) -> None:
        self.size = size
        self._fetched = fetched

    def blocks(self, start: int, end: int) -> AsyncIterator[bytes]:
        """See BlobReader.blocks; from any offset but 0 only where the server gives parts."""
        return self._fetched.blocks(start, end)

    async def close(self) -> None:
        """See BlobReader.close."""
        await self._fetched.close()


def _spelt_plainly(url: str, parsed: str) -> bool:
    """Tell whether parsing changed no more than the port that goes without saying."""
    return parsed in {url, url.replace(":80/", "/", 1), url.replace(":443/", "/", 1)}


def _refuse() -> Never:
    raise StoreReadOnly("The store of web servers takes no objects, and lets none be removed.")
