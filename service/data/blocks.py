"""The body of a request as blocks large enough for hashing and writing; a body that ends early is an error."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from drivers.errors import QuotaExceeded
from service.refusals import BadRequest

BLOCK = 1 << 20


async def body_blocks(request: web.Request) -> AsyncIterator[bytes]:
    """Read the body in blocks of about a MiB, the last as it comes. Raises BadRequest when it ends early."""
    try:
        async for block in gathered(request.content.iter_any()):
            yield block
    except (web.RequestPayloadError, ConnectionError):
        raise BadRequest("The body ended before all of it had come: nothing of it is kept.") from None


async def gathered(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Put pieces together to blocks of at least BLOCK bytes."""
    held: list[bytes] = []
    size = 0
    async for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= BLOCK:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


async def ahead(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pass blocks on, the next one being read meanwhile."""
    reading: asyncio.Task[bytes | None] = asyncio.ensure_future(anext(blocks, None))
    try:
        while (block := await reading) is not None:
            reading = asyncio.ensure_future(anext(blocks, None))
            yield block
    finally:
        reading.cancel()


async def bounded(blocks: AsyncIterator[bytes], *, expected: int | None, cap: int) -> AsyncIterator[bytes]:
    """Pass blocks on, as long as they are no more than expected or allowed.

    Raises BadRequest at the end of too few, or at the first of too many; QuotaExceeded beyond the cap, in bytes.
    """
    size = 0
    async for block in blocks:
        size += len(block)
        if expected is not None and size > expected:
            break
        if size > cap:
            raise QuotaExceeded("bytes of an image", cap, size)
        yield block
    if expected is not None and size != expected:
        raise BadRequest(f"Size mismatch: expected {expected} bytes, got {'more' if size > expected else size}.")
