"""Sessions of a database beside each other: stores like those of other processes, and somebody who holds locks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg

from drivers.options import StoreOptions
from drivers.protocol import ImageStore
from drivers.registry import open_store

# Seconds after which something that should have happened is taken for hanging.
PATIENCE = 60
WAITING = """
select count(*) from pg_stat_activity
where datname = current_database() and application_name = 'vitrine' and wait_event_type = 'Lock'
"""


@asynccontextmanager
async def opened(database: str, **options: Any) -> AsyncIterator[ImageStore]:
    """Open a store; the options are those of StoreOptions."""
    store = await open_store(database, StoreOptions(**options))
    try:
        yield store
    finally:
        await store.close()


async def until_waiting(admin: asyncpg.Connection, sessions: int = 1) -> None:
    """Return once so many of the driver's sessions wait for a lock."""
    async with asyncio.timeout(PATIENCE):
        while await admin.fetchval(WAITING) < sessions:  # noqa: ASYNC110 - the event is in the database
            await asyncio.sleep(0.01)


@asynccontextmanager
async def locked(database: str, statement: str = "lock table images") -> AsyncIterator[asyncpg.Connection]:
    """Hold what the statement locks."""
    connection = await asyncpg.connect(database)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(statement)
    try:
        yield connection
    finally:
        await transaction.rollback()
        await connection.close()


def nth_id(number: int) -> str:
    """Make an id of a number."""
    return str(UUID(int=number))
