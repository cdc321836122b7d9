"""The numbered files of `sql/`, applied in order under an advisory lock, each once, each as it was released."""

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import nullcontext
from importlib.resources import files
from typing import NamedTuple

import asyncpg

from drivers.errors import StoreError, StoreUnavailable
from drivers.postgres.faults import connect, translated

# Any constant will do, as long as every starter takes the same: the first bytes of "vitrine" as a number.
LOCK = int.from_bytes(b"vitrine", "big")
LOCK_POLL = 0.2
# Seconds to connect, and to say goodbye to a server that may be away by then.
CONNECT_TIMEOUT = 10

CREATE_TABLE = """
create table if not exists schema_migrations (
    version    integer     primary key,
    name       text        not null,
    checksum   text        not null,
    applied_at timestamptz not null default now()
)
"""
READ_APPLIED = "select version, name, checksum from schema_migrations order by version"
RECORD = "insert into schema_migrations (version, name, checksum) values ($1, $2, $3)"
TRY_LOCK = "select pg_try_advisory_lock($1)"
# `create index concurrently` cannot run inside a transaction; a file that needs it opens with this line,
# and holds no other statement: PostgreSQL makes one transaction of statements that are sent together.
NO_TRANSACTION = "-- migrate: no transaction"


class MigrationChanged(StoreUnavailable):
    """A file was edited after it was applied, so nobody knows what the database holds."""


class MigrationFailed(StoreError):
    """The database refused a file; the text names it and says why."""


class Migration(NamedTuple):
    """One numbered file: its number, its name, its text."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """The SHA-256 of the text, in hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def released() -> Sequence[Migration]:
    """Read the files this release carries, in order."""
    found = (entry for entry in files("sql").iterdir() if entry.name.endswith(".sql"))
    migrations = (
        Migration(int(entry.name.split("_")[0]), entry.name, entry.read_text(encoding="utf-8")) for entry in found
    )
    return sorted(migrations)


async def pending(connection: asyncpg.Connection, migrations: Sequence[Migration] | None = None) -> list[Migration]:
    """List the files the database has not seen, in order.

    Raise MigrationChanged when one it has seen reads differently now, asyncpg.UndefinedTableError before the first
    migration. Files newer than this release's are none of its business: old and new replicas run side by side.
    """
    applied = {row["version"]: row for row in await connection.fetch(READ_APPLIED)}
    missing = []
    for migration in released() if migrations is None else migrations:
        seen = applied.get(migration.version)
        if seen is None:
            missing.append(migration)
        elif seen["checksum"] != migration.checksum:
            raise MigrationChanged(
                f"{migration.name} was changed after it had been applied: restore the released file."
            )
    return missing


async def migrate(url: str, *, check: bool = False, migrations: Sequence[Migration] | None = None) -> list[str]:
    """Apply what is missing and name it; with `check` only name it. Any number may run at once; one of them works.

    Raise MigrationChanged, MigrationFailed, or StoreUnavailable.
    """
    settings = {"application_name": "vitrine migrate"}
    with translated():
        connection = await connect(url, timeout=CONNECT_TIMEOUT, server_settings=settings)
        try:
            missing = await (_missing if check else _migrate)(connection, migrations or released())
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT)  # the end of the session frees the lock
    return [migration.name for migration in missing]


async def _missing(connection: asyncpg.Connection, migrations: Sequence[Migration]) -> Sequence[Migration]:
    try:
        return await pending(connection, migrations)
    except asyncpg.UndefinedTableError:
        return migrations


async def _migrate(connection: asyncpg.Connection, migrations: Sequence[Migration]) -> Sequence[Migration]:
    await _lock(connection)
    await connection.execute(CREATE_TABLE)
    missing = await pending(connection, migrations)
    for migration in missing:
        await _apply(connection, migration)
    return missing


async def _lock(connection: asyncpg.Connection) -> None:
    # Tried again and again rather than waited for: a session that waits holds a snapshot,
    # and `create index concurrently` in the one that works would wait for that snapshot for ever.
    while not await connection.fetchval(TRY_LOCK, LOCK):  # noqa: ASYNC110 - the event is in another process
        await asyncio.sleep(LOCK_POLL)


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    alone = migration.sql.startswith(NO_TRANSACTION)
    try:
        async with nullcontext() if alone else connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(RECORD, migration.version, migration.name, migration.checksum)
    except asyncpg.PostgresError as error:
        left = "may have left something half done: undo that" if alone else "left nothing behind: remove the cause"
        raise MigrationFailed(f"{migration.name} failed and {left}, then run it again: {error.args[0]}") from error
