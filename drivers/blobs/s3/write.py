"""Writing to S3: whole or not at all, and never over another object."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any

from drivers.blobs.s3.calls import S3Calls
from drivers.blobs.s3.faults import EXISTS, UploadGone
from drivers.blobs.s3.parts import PART, Part, cut
from drivers.errors import BlobExists, StoreError

# Parts of the usual size in memory, on their way or being gathered; of larger ones fewer, down to one.
AT_ONCE = 3
MEMORY = AT_ONCE * PART


class S3Writer:
    """Writes objects; what a write did before it was cancelled or failed is undone, even if that is cancelled again.

    `remove` deletes the object of a key.
    """

    def __init__(self, calls: S3Calls, remove: Callable[[str], Awaitable[None]]) -> None:
        self._calls = calls
        self._remove = remove
        self._undoing: set[asyncio.Task[None]] = set()

    async def write(self, key: str, blocks: AsyncIterable[bytes], size: int | None) -> None:
        """See BlobStore.write; what fits into one part is sent at once, and the rest in parts."""
        if await self._calls.tag(key) is not None:
            raise BlobExists(EXISTS)
        async with aclosing(cut(blocks, size)) as parts:
            first = await anext(parts)
            if _length(first) < PART:
                await self._put(key, first)
            else:
                await self._upload(key, first, parts)

    async def close(self) -> None:
        """Wait for what is being undone."""
        await asyncio.gather(*self._undoing, return_exceptions=True)

    async def _put(self, key: str, part: Part) -> None:
        # Cancelled or not, the server may take it: only its answer tells whether there is something to remove.
        ending = asyncio.create_task(self._calls.put(key, part))
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await self._undo(self._unput(key, ending))
            raise

    async def _upload(self, key: str, first: Part, parts: AsyncGenerator[Part, None]) -> None:
        beginning = asyncio.create_task(self._calls.begin(key))
        ending: asyncio.Task[None] | None = None
        try:
            upload = await asyncio.shield(beginning)
            tags = await self._send(key, upload, first, parts)
            await self._elect(key, upload)
            ending = asyncio.create_task(self._calls.complete(key, upload, tags))
            await asyncio.shield(ending)
        except BaseException:
            await self._undo(self._unupload(key, beginning, ending))
            raise

    async def _send(self, key: str, upload: str, first: Part, parts: AsyncGenerator[Part, None]) -> list[str]:
        sending: list[asyncio.Task[str]] = []
        part: Part | None = first
        try:
            while part is not None:
                at_once = max(1, MEMORY // _length(part))
                sending.append(asyncio.create_task(self._calls.put_part(key, upload, len(sending) + 1, part)))
                del part
                if len(sending) >= at_once:
                    await sending[-at_once]
                part = await anext(parts, None)
            return [await each for each in sending]
        finally:
            for each in sending:
                each.cancel()
            await asyncio.gather(*sending, return_exceptions=True)

    async def _elect(self, key: str, upload: str) -> None:
        """Raise BlobExists unless this upload is the first of all of this name, and there is no object yet.

        Of several that come here at once, the later ones see the first, or the object that it has become. A server
        that completes on the condition that there is no object needs none of this.
        """
        name = self._calls.name(key)
        uploads = [(each.begun, each.id) async for each in self._calls.uploads(name) if each.name == name]
        mine = next((each for each in uploads if each[1] == upload), None)
        if mine is None:
            raise UploadGone("The upload was ended from elsewhere.")
        if mine != min(uploads):
            raise BlobExists("Another object of this name is being written.")
        if await self._calls.tag(key) is not None:
            raise BlobExists(EXISTS)

    async def _undo(self, undoing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(undoing)
        self._undoing.add(task)
        task.add_done_callback(self._undoing.discard)
        await asyncio.shield(task)

    async def _unput(self, key: str, ending: asyncio.Task[None]) -> None:
        with suppress(StoreError):
            await ending
            await self._remove(key)

    async def _unupload(self, key: str, beginning: asyncio.Task[str], ending: asyncio.Task[None] | None) -> None:
        if ending is not None:
            with suppress(StoreError):
                await ending
                await self._remove(key)
                return
        with suppress(StoreError):
            await self._calls.abort(key, await beginning)


def _length(part: Part) -> int:
    return sum(map(len, part))
