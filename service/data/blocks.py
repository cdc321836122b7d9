"""The body of a request as blocks large enough for hashing and writing; a body that ends early is an error."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from aiohttp import web

from drivers.errors import QuotaExceeded
from service.expectation import invite
from service.receiving import BLOCK, pass_parser
from service.refusals import BadRequest, TimedOut

EARLY = "The body ended before all of it had come: nothing of it is kept."


async def body_blocks(request: web.Request, patience: float) -> AsyncIterator[bytes]:
    """Ask for the body, and read it in blocks of about a MiB, the last as it comes.

    Raises BadRequest when it ends early, TimedOut when nothing comes for so many seconds.
    """
    await invite(request)
    # Room for the next block while this one is written.
    request.content.set_read_chunk_size(BLOCK)
    try:
        async for block in gathered(_pieces(request, patience)):
            yield block
    except (web.RequestPayloadError, ConnectionError):
        raise BadRequest(EARLY) from None
    except TimeoutError:
        raise TimedOut(f"Nothing of the body came for {patience:g} seconds: nothing of it is kept.") from None


async def _pieces(request: web.Request, patience: float) -> AsyncIterator[bytes]:
    while not request.content.at_eof():
        async with asyncio.timeout(patience):
            piece = await request.content.readany()
        pass_parser(request)
        if piece:
            yield piece


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
    if size:
        yield b"".join(held)


async def ahead(blocks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Pass blocks on, the next one being read meanwhile; to be closed, as nobody may read on behind it."""
    reading: asyncio.Task[bytes | None] = asyncio.ensure_future(anext(blocks, None))
    try:
        while (block := await reading) is not None:
            reading = asyncio.ensure_future(anext(blocks, None))
            yield block
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


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
