"""Where the data of an import comes from: a URL, a staged object, another store."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Executor
from typing import NamedTuple, Protocol

from drivers.blobs.fetch import Fetcher
from drivers.errors import FetchRefused, StoreError
from service.convert.scratch import Scratch, ScratchFailed
from service.data.blocks import gathered
from service.data.decompress import decompressed
from service.data.stores import DataStore
from service.placing import Validation
from service.work.runner import TaskFailed


class SourceFailed(TaskFailed):
    """The data cannot be read, whatever store it is for."""


class Source(Protocol):
    """Data that can be read several times, from its beginning."""

    def read(self) -> AsyncIterator[bytes]:
        """Read all of it in blocks of about a MiB. Raises SourceFailed."""


class ObjectSource(NamedTuple):
    """An object of one of our stores."""

    store: DataStore
    url: str

    async def read(self) -> AsyncIterator[bytes]:
        """See Source.read."""
        try:
            reader = await self.store.blobs.open(self.url)
            try:
                async for block in gathered(reader.blocks(0, reader.size)):
                    yield block
            finally:
                await reader.close()
        except StoreError as error:
            raise SourceFailed(f"The image's data cannot be read from its store: {error}") from None


class UnpackedSource(NamedTuple):
    """Another source, unfolded where its data is compressed."""

    source: Source
    executor: Executor

    async def read(self) -> AsyncIterator[bytes]:
        """See Source.read. Raises UnsupportedContent for what cannot be unfolded."""
        async for block in decompressed(self.source.read(), self.executor):
            yield block


class ScratchSource(NamedTuple):
    """A file of this process."""

    scratch: Scratch

    async def read(self) -> AsyncIterator[bytes]:
        """See Source.read."""
        try:
            async for block in self.scratch.read():
                yield block
        except ScratchFailed as failure:
            raise SourceFailed(str(failure)) from None


class CheckedSource(NamedTuple):
    """Another source, of which the whole is to have a hash; what is written of it until then is nobody's."""

    source: Source
    expected: Validation
    executor: Executor

    async def read(self) -> AsyncIterator[bytes]:
        """See Source.read."""
        digest, loop = hashlib.new(self.expected.algorithm), asyncio.get_running_loop()
        async for block in self.source.read():
            await loop.run_in_executor(self.executor, digest.update, block)
            yield block
        if digest.hexdigest() != self.expected.value.lower():
            raise SourceFailed(f"The data has another {self.expected.algorithm} hash: {digest.hexdigest()}.")


class UrlSource(NamedTuple):
    """What a user's URL leads to; `size` in bytes, where that is known beforehand."""

    fetcher: Fetcher
    url: str
    headers: Mapping[str, str] = {}
    size: int | None = None

    async def read(self) -> AsyncIterator[bytes]:
        """See Source.read."""
        try:
            fetched = await self.fetcher.open(self.url, headers=self.headers)
            if self.size is not None and fetched.size not in {None, self.size}:
                raise SourceFailed(f"{self.size} bytes are announced, and {fetched.size} come.")
            try:
                async for block in gathered(fetched.blocks()):
                    yield block
            finally:
                await fetched.close()
        except (FetchRefused, StoreError) as error:
            raise SourceFailed(f"The URL cannot be downloaded: {error}") from None
