"""Commands for operators that look at records and stores without serving requests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

from drivers.options import StoreOptions
from drivers.registry import open_store
from service.app import utc_now
from service.data.stores import opened_stores
from service.data.tools import Tools, make_tools
from service.key_manager import KeyManager
from service.limits.fixed import FixedLimits
from service.settings import Settings
from service.tokens.static import StaticVerifier
from service.work.fsck import check_all


@asynccontextmanager
async def opened_tools(settings: Settings) -> AsyncIterator[Tools]:
    """Open the records and stores of the settings; nobody's limits count, as nothing is added."""
    options = StoreOptions(pool=settings.store_pool, timeout=settings.store_timeout)
    records = await open_store(settings.store.reveal(), options)
    try:
        await records.check()
        async with opened_stores(settings) as stores:
            key_manager = KeyManager(settings, StaticVerifier({}))
            yield make_tools(settings, records, stores, FixedLimits(), key_manager, utc_now, lambda: str(uuid4()))
    finally:
        await records.close()


async def fsck(settings: Settings, *, grace: timedelta, repair: bool) -> int:
    """Print what is not as it should be, a line each; tell how much of it is left."""
    left = total = 0
    async with opened_tools(settings) as tools:
        async for finding in check_all(tools, grace=grace, repair=repair):
            total += 1
            left += not finding.repaired
            print(f"{finding.kind}: {finding.what}{' (repaired)' if finding.repaired else ''}", flush=True)
    print(f"{total} found, {total - left} repaired." if total else "Records and stores agree.")
    return left
