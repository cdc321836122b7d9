"""What the cache does by itself: fetches what is queued, and stays within its limit."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from drivers.errors import ImageNotFound, StoreError, StoreUnavailable
from service.cache.cache import Cache
from service.data.send import open_first
from service.data.tools import Tools

logger = logging.getLogger(__name__)

# Seconds between two looks at the folder when nobody asks for one; other processes may have changed it.
EVERY = 60.0


async def keep_fetching(tools: Tools, cache: Cache) -> None:
    """Fetch what is queued whenever something is, and what another process left there, until cancelled."""
    await _repeat(partial(_fetch_queued, tools, cache), cache.queued)


async def keep_bounded(tools: Tools, cache: Cache) -> None:
    """Prune whenever the cache has grown, and now and then clean it, until cancelled."""

    async def tidy() -> None:
        await cache.clean(tools.clock().timestamp())
        await cache.prune()

    await _repeat(tidy, cache.filled)


async def _repeat(work: Callable[[], Awaitable[None]], wanted: asyncio.Event) -> None:
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(EVERY):
                await wanted.wait()
        wanted.clear()
        try:
            await work()
        except StoreError as error:
            logger.warning("The upkeep of the cache is put off: %s", error)
        except Exception:
            logger.exception("The upkeep of the cache failed in a way nobody expected, and will be tried again")


async def _fetch_queued(tools: Tools, cache: Cache) -> None:
    for image_id in await cache.queue():
        try:
            await _fetch(tools, cache, image_id)
        except StoreUnavailable as error:
            logger.warning("Image %s stays in the queue of the cache: %s", image_id, error)
            continue
        except StoreError as error:
            logger.warning("Image %s cannot be cached: %s", image_id, error)
        await cache.dequeue(image_id)


async def _fetch(tools: Tools, cache: Cache, image_id: str) -> None:
    try:
        image = (await tools.records.get(image_id, None, locations=True)).image
    except ImageNotFound:
        return
    await cache.fetch(image, partial(open_first, tools.stores, image, tools.stores.ordered(image)))
