"""What the parts of the driver share: the pool's connections, and the count of what projects hold."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import asyncpg
from msgspec.structs import astuple

from drivers.options import StoreOptions
from drivers.postgres import statements
from drivers.postgres.faults import translated
from drivers.usage import UNLIMITED, Limits, Usage, check_limits


class PostgresConnections:
    """Lends connections one use at a time; what the database does to a statement is said in the contract's errors."""

    def __init__(self, pool: asyncpg.Pool, options: StoreOptions) -> None:
        self._pool = pool
        self._timeout = options.timeout

    async def close(self) -> None:
        """Close the pool once running statements have ended."""
        await self._pool.close()

    async def usage(self, project_id: str) -> Usage:
        """See ImageStore.usage."""
        async with self._connection() as connection:
            row = await connection.fetchrow(statements.READ_USAGE, project_id)
        return Usage(**dict(row)) if row else Usage()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        with translated():
            async with self._pool.acquire(timeout=self._timeout) as connection:
                yield connection

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[asyncpg.Connection]:
        async with self._connection() as connection, connection.transaction():
            yield connection


async def count(connection: asyncpg.Connection, changes: Mapping[str, Usage], limits: Limits = UNLIMITED) -> None:
    """Add to what projects hold. Raise QuotaExceeded."""
    # In the order of the projects' ids, so that two transactions that change the same two never wait in a ring; and
    # after all else that the transaction locks, for the same reason.
    for project_id, change in changes.items():
        held = await connection.fetchrow(statements.COUNT_USAGE, project_id, *astuple(change))
        check_limits(Usage(*held), change, limits)
