"""Objects in a bucket of an S3-compatible server, such as Ceph RGW."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import obstore
from obstore.store import S3Store

from drivers.blobs.options import BlobOptions
from drivers.blobs.protocol import StoredBlob
from drivers.blobs.resume import Interrupted, resumed
from drivers.blobs.s3.calls import S3Calls
from drivers.blobs.s3.faults import translated
from drivers.blobs.s3.keys import FindKeys, find_keys
from drivers.blobs.s3.parts import MIB, PART
from drivers.blobs.s3.place import Place, read_url
from drivers.blobs.s3.write import AT_ONCE, S3Writer
from drivers.errors import BlobNotFound, StoreReadOnly, StoreUnavailable

if TYPE_CHECKING:
    # Not there when the program runs.
    from obstore import ObjectMeta
    from obstore.store import S3Credential

# Seconds before a read that broke is taken up.
PAUSE = 0.2
# obstore counts the reading of a body into the time of a request; what bounds a read is the time between two blocks.
WHOLE_READ = timedelta(days=7)
# A process that ends right after obstore's threads woke its loop aborts (pyo3-async-runtimes issues 40 and 90).
LAST_WORDS = 0.05
# The name of the upload that a check begins and ends.
CHECK = "check"


async def open_s3(url: str, options: BlobOptions) -> "S3Blobs":
    """Open the store at `s3://ACCESS_KEY:SECRET_KEY@bucket/prefix?endpoint=https://host&region=name`.

    Without an endpoint it is AWS, without keys they are those that the machine gives its programs. Raise
    StoreUnavailable for a URL that cannot be used.
    """
    place, keys = read_url(url)
    find = find_keys(keys)
    store = _connect(place, find, timedelta(seconds=options.timeout))
    return S3Blobs(place, store, S3Calls(place, find, options.timeout), options.timeout)


def _connect(place: Place, keys: FindKeys, timeout: timedelta) -> S3Store:
    async def provide() -> "S3Credential":
        found = await keys()
        # Asked for again each time: botocore knows when they end, and renews them.
        return {
            "access_key_id": found.access,
            "secret_access_key": found.secret,
            "token": found.token,
            "expires_at": datetime.now(UTC) if found.token else None,
        }

    return S3Store(
        place.bucket,
        prefix=place.prefix or None,
        endpoint=place.endpoint,
        region=place.region,
        virtual_hosted_style_request=False,
        client_options={
            "allow_http": place.endpoint.startswith("http:"),
            "connect_timeout": timeout,
            "read_timeout": timeout,
            "timeout": WHOLE_READ,
        },
        retry_config={"max_retries": 3, "retry_timeout": timeout},
        credential_provider=provide,
    )


class S3Blobs:
    """Keeps every contract of BlobStore. The bucket has to be there, and all under the prefix is the store's own."""

    type = "s3"
    read_only = False

    def __init__(self, place: Place, store: S3Store, calls: S3Calls, timeout: float) -> None:
        self.properties: dict[str, Any] = {
            "s3_store_large_object_size": PART // MIB,
            "s3_store_large_object_chunk_size": PART // MIB,
            "s3_store_thread_pools": AT_ONCE,
        }
        self._place = place
        self._store = store
        self._calls = calls
        self._timeout = timeout
        self._writer = S3Writer(calls, self._remove)

    def locate(self, key: str) -> str:
        """See BlobStore.locate."""
        return self._place.url + key

    def owns(self, url: str) -> bool:
        """See BlobStore.owns."""
        return self._place.key(url) is not None

    async def write(self, url: str, blocks: AsyncIterable[bytes], *, size: int | None = None) -> None:
        """See BlobStore.write.

        Takes memory for three parts of 8 MiB; objects beyond 78 GiB have larger parts, one of which is in memory: half
        a GiB for 5 TiB, and where the size is not known 1/1390 of what was sent.
        """
        key = self._place.key(url)
        if key is None:
            raise StoreReadOnly("The URL is not one of this store.")
        await self._writer.write(key, blocks, size)

    async def open(self, url: str) -> "S3Reader":
        """See BlobStore.open; what replaces an object is not read in its stead."""
        key = self._owned(url)
        meta = await self._head(key)
        return S3Reader(self._store, key, meta["size"], meta["e_tag"])

    async def size(self, url: str) -> int:
        """See BlobStore.size."""
        return (await self._head(self._owned(url)))["size"]

    async def delete(self, url: str) -> None:
        """See BlobStore.delete."""
        key = self._place.key(url)
        if key is not None:
            await self._remove(key)

    async def list(self) -> AsyncIterator[StoredBlob]:
        """See BlobStore.list."""
        with translated():
            async for page in obstore.list(self._store, chunk_size=1000):
                for meta in page:
                    url = self.locate(meta["path"])
                    if self.owns(url):
                        yield StoredBlob(url, meta["size"], meta["last_modified"])

    async def clean(self, older_than: datetime, *, dry_run: bool = False) -> int:
        """See BlobStore.clean; what may be left behind are multipart uploads, which servers keep and count for ever."""
        found = 0
        async for upload in self._calls.uploads(self._place.name("")):
            key = self._place.key(f"s3://{self._place.bucket}/{upload.name}")
            if key is None or upload.begun >= older_than:
                continue
            found += 1
            if not dry_run:
                await self._calls.abort(key, upload.id)
        return found

    async def check(self) -> None:
        """See BlobStore.check; begins an upload, since only that tells whether objects may be written."""
        async for _ in self.list():
            break
        await self._calls.abort(CHECK, await self._calls.begin(CHECK))

    async def close(self) -> None:
        """See BlobStore.close."""
        await self._writer.close()
        await self._calls.close()
        await asyncio.sleep(LAST_WORDS)

    async def _remove(self, key: str) -> None:
        with translated():
            async with asyncio.timeout(self._timeout):
                await obstore.delete_async(self._store, key)

    async def _head(self, key: str) -> "ObjectMeta":
        with translated():
            async with asyncio.timeout(self._timeout):
                return await obstore.head_async(self._store, key)

    def _owned(self, url: str) -> str:
        key = self._place.key(url)
        if key is None:
            raise BlobNotFound("The URL is not one of this store.")
        return key


class S3Reader:
    """An object as it was when it was opened; what has replaced it meanwhile is an error."""

    descriptor: int | None = None

    def __init__(self, store: S3Store, key: str, size: int, tag: str | None) -> None:
        self.size = size
        self._store = store
        self._key = key
        self._options: obstore.GetOptions = {"if_match": tag} if tag else {}

    async def blocks(self, start: int, end: int) -> AsyncIterator[bytes]:
        """See BlobReader.blocks."""
        if end > self.size:
            raise StoreUnavailable("What is asked for is beyond the end of the object.")
        async for block in resumed(partial(self._read, end=end), start, end, pause=PAUSE):
            yield block

    async def close(self) -> None:
        """See BlobReader.close."""

    async def _read(self, position: int, *, end: int) -> AsyncGenerator[bytes, None]:
        with translated():
            found = await obstore.get_async(self._store, self._key, options={**self._options, "range": (position, end)})
            async for block in found.stream(min_chunk_size=MIB):
                position += len(block)
                yield bytes(block)
        if position != end:
            raise Interrupted("The S3 server sent less than it announced.")
