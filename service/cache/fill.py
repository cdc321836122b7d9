"""One image's data on its way from a store into the cache, and any number of readers behind it."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from drivers.blobs.file.reader import BLOCK, Source
from drivers.blobs.file.threads import Held, Threads
from drivers.blobs.protocol import BlobReader
from drivers.errors import StoreError, StoreUnavailable
from service.cache.draft import Draft

logger = logging.getLogger(__name__)

# What is left to the last sync has to reach the disk within one timeout, however big the image is.
SYNC_EVERY = 64 << 20
CHANGED = "The store has other data than when reading it began."

Open = Callable[[], Awaitable[BlobReader]]


class Fill:
    """Reads a store once, into a draft; `written` bytes of `size` are there to be read by who follows.

    `refusal` is what the store said when it was to be opened.
    """

    def __init__(self, draft: Draft, threads: Threads, stored: Open, limit: int) -> None:
        self.threads = threads
        self.written = self.size = 0
        self.begun = self.ended = False
        self.refusal: StoreError | None = None
        self._draft = draft
        self._held = Held(threads, draft.end)
        self._stored = stored
        self._limit = limit
        self._changed = asyncio.Condition()

    async def run(self) -> bool:
        """Fill the draft and make an entry of it; tell whether it is one now. Raises nothing but cancellation."""
        try:
            return await self._held.run(self._draft.claim) and await self._fill()
        except StoreError as error:
            logger.warning("An image's data does not get into the cache: %s", error)
            return False
        except Exception:
            logger.exception("An image's data does not get into the cache, in a way nobody expected")
            return False
        finally:
            self.ended = True
            await self._held.close()
            await self._tell()

    async def follow(self) -> "Follower | None":
        """Give a reader of what comes, once that is known; None when nothing does. Raises the store's refusal."""
        await self._wait(lambda: self.begun)
        if self.refusal is not None:
            raise self.refusal
        return Follower(self, os.dup(self._draft.descriptor), self._stored) if self.begun and not self.ended else None

    async def reached(self, position: int) -> int:
        """Wait for something behind a position; tell how far it goes, which is no further if the fill has failed."""
        await self._wait(lambda: self.written > position)
        return self.written

    async def _fill(self) -> bool:
        try:
            reader = await self._stored()
        except StoreError as error:
            self.refusal = error
            raise
        try:
            if reader.size > self._limit:
                return False
            self.size, self.begun = reader.size, True
            await self._tell()
            await self._copy(reader)
        finally:
            await reader.close()
        whole = await self._held.run(self._draft.publish)
        if not whole:
            logger.error("A store has other data of an image than its hash tells: it does not get into the cache")
        return whole

    async def _copy(self, reader: BlobReader) -> None:
        synced = 0
        async for block in reader.blocks(0, reader.size):
            await self._held.run(partial(self._draft.write, block))
            self.written += len(block)
            await self._tell()
            if self.written - synced >= SYNC_EVERY:
                await self._held.run(self._draft.sync)
                synced = self.written

    async def _wait(self, condition: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self.ended or condition())

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class Follower:
    """Keeps the contract of BlobReader: reads what is filled already, and from the store what a failed fill lacks."""

    descriptor: int | None = None  # the file grows still: nobody could send it by itself

    def __init__(self, fill: Fill, descriptor: int, stored: Open) -> None:
        self.size = fill.size
        self._fill = fill
        self._source = Source()
        self._source.take(descriptor)
        self._held = Held(fill.threads, self._source.close)
        self._stored = stored

    async def blocks(self, start: int, end: int) -> AsyncIterator[bytes]:
        """See BlobReader.blocks."""
        position = start
        while position < end and (block := await self._next(position, end)):
            yield block
            position += len(block)
        if position < end:
            async for block in self._rest(position, end):
                yield block

    async def close(self) -> None:
        """See BlobReader.close."""
        self._held.release()

    async def _next(self, position: int, end: int) -> bytes:
        stop = min(await self._fill.reached(position), position + BLOCK, end)
        if stop <= position:
            return b""
        try:
            return await self._held.run(partial(self._source.read, position, stop))
        except StoreError as error:
            logger.warning("What is filled into the cache cannot be read: %s", error)
            return b""

    async def _rest(self, start: int, end: int) -> AsyncIterator[bytes]:
        reader = await self._stored()
        try:
            if reader.size != self.size:
                raise StoreUnavailable(CHANGED)
            async for block in reader.blocks(start, end):
                yield block
        finally:
            await reader.close()
