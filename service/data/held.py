"""Work that may go on only while its lease is renewed."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from drivers.errors import LeaseLost, StoreUnavailable

T = TypeVar("T")

# How often a lease is renewed while it lasts, so that one lost answer does no harm.
RENEWALS = 3


async def while_held(work: Coroutine[Any, Any, T], renew: Callable[[], Awaitable[None]], lease: timedelta) -> T:
    """Do the work and renew its lease meanwhile; when a renewal fails, stop the work and raise what the renewal did.

    A storage that is away for a while is forgiven until the lease must have run out: then LeaseLost is raised.
    """
    working, renewing = asyncio.ensure_future(work), asyncio.ensure_future(_keep(renew, lease.total_seconds()))
    try:
        await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
        return await (working if working.done() else _failed(renewing))
    finally:
        for task in (working, renewing):
            task.cancel()
        await asyncio.gather(working, renewing, return_exceptions=True)


async def _failed(renewing: "asyncio.Future[None]") -> Any:
    await renewing
    raise AssertionError("renewing ends by an exception only")


async def _keep(renew: Callable[[], Awaitable[None]], seconds: float) -> None:
    renewed_at = time.monotonic()
    while True:
        await asyncio.sleep(seconds / RENEWALS)
        try:
            await renew()
        except StoreUnavailable:
            if time.monotonic() - renewed_at > seconds:
                raise LeaseLost("The storage of records did not answer for as long as a lease lasts.") from None
        else:
            renewed_at = time.monotonic()
