"""Removes what no image names any more: garbage, and what processes that died on the way left behind."""

import asyncio
import logging
from datetime import timedelta

from drivers.claims import Claim
from drivers.errors import StoreError
from service.data.intake import put_back
from service.data.tools import Tools

logger = logging.getLogger(__name__)

# Claims that are taken at a time; each costs its store one call.
BATCH = 50
# How old what a write has left must be, as one that goes on may be slow, and how often to look for it.
UNFINISHED, BETWEEN_CLEANINGS = timedelta(days=1), timedelta(hours=1)


async def keep_sweeping(tools: Tools) -> None:
    """Sweep whenever somebody asks for it, and otherwise a few times within a lease, until cancelled."""
    due = tools.clock()
    while True:
        try:
            await sweep(tools)
            if due <= tools.clock():
                due = tools.clock() + BETWEEN_CLEANINGS
                await clean(tools)
        except StoreError as error:
            logger.warning("The sweep is put off: %s", error)
        except Exception:
            logger.exception("The sweep failed in a way nobody expected, and will be tried again")
        try:
            async with asyncio.timeout(tools.lease.total_seconds() / 2):
                await tools.sweep.wait()
        except TimeoutError:
            pass
        tools.sweep.clear()


async def sweep(tools: Tools) -> int:
    """Remove all that is due now, and expired tasks; tell how many objects went. Raises StoreUnavailable."""
    removed = 0
    while claims := await tools.records.take_claims(BATCH, lease=tools.lease):
        gone = await asyncio.gather(*(_remove(tools, claim) for claim in claims))
        await tools.records.forget_claims([claim.id for claim, is_gone in zip(claims, gone, strict=True) if is_gone])
        removed += sum(gone)
    await tools.records.drop_tasks(tools.clock())
    return removed


async def clean(tools: Tools) -> int:
    """Remove what broken writes left in the stores and no claim names; tell how much. Raises StoreUnavailable."""
    before, removed = tools.clock() - UNFINISHED, 0
    for store in {each.id: each for each in (*tools.stores, tools.stores.staging)}.values():
        if not store.blobs.read_only:
            removed += await store.blobs.clean(before)
    return removed


async def _remove(tools: Tools, claim: Claim) -> bool:
    """Put right the image of a claim whose writer died, then remove its object; tell whether that is done."""
    store = tools.stores.get(claim.store)
    if store is None:
        logger.error(
            "An object of image %s is garbage in a store '%s' that is not configured", claim.image_id, claim.store
        )
        return False
    try:
        if claim.state == "lost":
            # Of an upload or a stage; imports are put right by who takes up their task.
            await put_back(tools, claim)
            tools.metrics.uploads_lost.inc()
        await store.blobs.delete(claim.url)
    except StoreError as error:
        logger.warning("An object of image %s stays until the next sweep: %s", claim.image_id, error)
        tools.metrics.removals_put_off.inc()
        return False
    tools.metrics.objects_removed.inc()
    return True
