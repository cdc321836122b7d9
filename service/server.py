"""The service as a process: opens what it needs, listens, and stops without dropping a request."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from random import SystemRandom

from aiohttp import web

from drivers.options import StoreOptions
from drivers.registry import open_store
from service.app import make_app
from service.connection import listen
from service.data.stores import opened_stores
from service.keys import DRAINING
from service.limits.open import open_limits
from service.policy.engine import load_policy, watch_policy
from service.protections import read_protections
from service.settings import Settings
from service.tokens.open import open_verifier

logger = logging.getLogger(__name__)

# Seconds between two looks at the policy file.
POLICY_POLL = 1.0


@asynccontextmanager
async def opened_app(settings: Settings) -> AsyncIterator[web.Application]:
    """Make the application with everything it needs, and close that again, the last opened first."""
    async with AsyncExitStack() as stack:
        policy = load_policy(settings.policy_file)
        protections = read_protections(
            settings.property_protection_file, settings.property_protection_rule_format, policy
        )
        store = await open_store(
            settings.store.reveal(), StoreOptions(pool=settings.store_pool, timeout=settings.store_timeout)
        )
        stack.push_async_callback(store.close)
        stores = await stack.enter_async_context(opened_stores(settings))
        verifier = await open_verifier(settings)
        stack.push_async_callback(verifier.close)
        limits = await open_limits(settings)
        stack.push_async_callback(limits.close)
        if settings.policy_file:
            watcher = asyncio.create_task(watch_policy(policy, settings.policy_file, POLICY_POLL))
            stack.callback(watcher.cancel)
        yield make_app(
            settings, store, stores, verifier, policy, SystemRandom(), protections=protections, limits=limits
        )


async def asked_to_stop(lifeline: int | None = None) -> None:
    """Wait for SIGTERM or SIGINT, or for the other end of the pipe `lifeline` to close."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if lifeline is not None:
        loop.add_reader(lifeline, stop.set)
    await stop.wait()
    if lifeline is not None:
        loop.remove_reader(lifeline)


async def serve(settings: Settings, lifeline: int | None = None) -> None:
    """Serve until asked to stop; then turn unready, let running requests finish, and close."""
    async with opened_app(settings) as app, listen(app, settings) as address:
        logger.info("Vitrine listens on http://%s:%s", *address)
        await asked_to_stop(lifeline)
        app[DRAINING].set()
        logger.info("Stopping: running requests have %s seconds to finish", settings.drain_seconds)
        await asyncio.sleep(settings.unready_seconds)
    logger.info("Stopped")
