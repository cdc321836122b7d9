"""Long reads over lines that break: taken up where they broke, a bounded number of times, or ended by an error."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from drivers.errors import StoreUnavailable

RETRIES = 5
# Bytes after which a read has proved that it gets on, and may be interrupted as often again.
PROGRESS = 16 << 20


class Interrupted(StoreUnavailable):
    """The connection was lost, or was so slow that it was given up; asked again, the storage may well answer."""


async def resumed(
    read: Callable[[int], AsyncGenerator[bytes, None]], start: int, end: int | None, *, pause: float
) -> AsyncGenerator[bytes, None]:
    """Give the bytes from `start` up to, and without, `end`, from as many reads as it takes.

    `read` starts at an offset and comes to the end, or raises Interrupted to be called again from where it came to,
    after `pause` seconds, then twice as many each time. Raise the last Interrupted after five retries, and whatever
    else `read` raises at once.
    """
    position, mark, failures = start, start, 0
    while position != end:
        try:
            async with aclosing(read(position)) as blocks:
                async for block in blocks:
                    position += len(block)
                    yield block
        except Interrupted:
            if position - mark >= PROGRESS:
                mark, failures = position, 0
            failures += 1
            if failures > RETRIES:
                raise
            await asyncio.sleep(pause * 2 ** (failures - 1))
        else:
            return
