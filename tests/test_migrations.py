"""The schema gets where it should, once, whoever starts and whatever fails; on a real database, by real processes."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
import pytest

from drivers.errors import SchemaTooOld, StoreUnavailable
from drivers.postgres.migrations import (
    NO_TRANSACTION,
    Migration,
    MigrationChanged,
    MigrationFailed,
    migrate,
    released,
)
from drivers.registry import open_store
from tests.postgres import with_database
from tests.processes import environment, vitrine

NAMES = [migration.name for migration in released()]
FIRST = Migration(1, "0001_first.sql", "create table first (n integer)")
SECOND = Migration(2, "0002_second.sql", "insert into first select 2; create table second (n integer)")
# Seconds after which something that should have happened is taken for hanging.
PATIENCE = 60
STARTERS = """
select count(*) from pg_stat_activity where datname = current_database() and application_name = 'vitrine migrate'
"""


async def vitrine_migrate(store: str, *arguments: str) -> tuple[int, str, str]:
    """Run `vitrine migrate`; give its exit code, output and errors."""
    return await vitrine("migrate", *arguments, env=environment(store=store))


@asynccontextmanager
async def connected(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database)
    try:
        yield connection
    finally:
        await connection.close()


async def applied(database: str) -> list[str]:
    """Name the files that the database remembers, in the order of their numbers."""
    async with connected(database) as connection:
        rows = await connection.fetch("select name from schema_migrations order by version")
    return [row["name"] for row in rows]


async def tables(database: str) -> set[str]:
    async with connected(database) as connection:
        rows = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
    return {row["tablename"] for row in rows}


def test_the_released_files_are_numbered_from_one_without_a_gap() -> None:
    assert [migration.version for migration in released()] == list(range(1, len(released()) + 1))
    assert all(re.fullmatch(r"\d{4}_[a-z_]+\.sql", name) for name in NAMES)


def test_a_released_file_outside_a_transaction_holds_one_statement() -> None:
    alone = [migration.sql for migration in released() if migration.sql.startswith(NO_TRANSACTION)]
    assert all(re.sub("--.*", "", sql).rstrip().rstrip(";").count(";") == 0 for sql in alone)


async def test_files_are_applied_in_order_and_remembered(empty_database: str) -> None:
    assert await migrate(empty_database, migrations=[FIRST, SECOND]) == [FIRST.name, SECOND.name]
    assert await applied(empty_database) == [FIRST.name, SECOND.name]
    assert {"first", "second"} <= await tables(empty_database)


async def test_a_second_run_does_nothing(empty_database: str) -> None:
    await migrate(empty_database, migrations=[FIRST, SECOND])
    assert await migrate(empty_database, migrations=[FIRST, SECOND]) == []
    async with connected(empty_database) as connection:
        assert await connection.fetchval("select count(*) from first") == 1


async def test_an_older_schema_gets_only_what_it_lacks(empty_database: str) -> None:
    await migrate(empty_database, migrations=[FIRST])
    assert await migrate(empty_database, migrations=[FIRST, SECOND], check=True) == [SECOND.name]
    assert await migrate(empty_database, migrations=[FIRST, SECOND]) == [SECOND.name]


async def test_eight_starters_at_once_apply_each_file_once(empty_database: str) -> None:
    starters = await asyncio.gather(*(vitrine_migrate(empty_database) for _ in range(8)))
    assert [(code, errors) for code, _, errors in starters] == [(0, "")] * 8
    lines = [line for _, output, _ in starters for line in output.splitlines()]
    assert sorted(lines) == sorted(["The schema is up to date."] * 7 + [f"applied: {name}" for name in NAMES])
    assert await applied(empty_database) == NAMES


async def test_a_check_tells_what_is_missing_and_changes_nothing(empty_database: str) -> None:
    missing = "".join(f"missing: {name}\n" for name in NAMES)
    assert await vitrine_migrate(empty_database, "--check") == (1, missing, "")
    assert await tables(empty_database) == set()


async def test_a_check_of_a_current_schema_passes(database: str) -> None:
    assert await vitrine_migrate(database, "--check") == (0, "The schema is up to date.\n", "")


@pytest.mark.parametrize("check", [False, True])
async def test_a_file_edited_after_it_was_applied_is_refused_by_name(empty_database: str, check: bool) -> None:
    await migrate(empty_database, migrations=[FIRST])
    edited = FIRST._replace(sql=FIRST.sql + " ")
    with pytest.raises(MigrationChanged, match=r"0001_first\.sql.*restore"):
        await migrate(empty_database, migrations=[edited, SECOND], check=check)
    assert "second" not in await tables(empty_database)


async def test_a_database_of_edited_files_is_not_ready(database: str) -> None:
    async with connected(database) as connection:
        await connection.execute("update schema_migrations set checksum = 'another'")
    store = await open_store(database)
    with pytest.raises(StoreUnavailable, match=NAMES[0]):
        await store.check()
    await store.close()
    await assert_one_line(database, NAMES[0])


@pytest.mark.parametrize("wrong", ["insert into nowhere select 1", "drop table schema_migrations"])
async def test_a_file_that_fails_or_cannot_be_remembered_leaves_nothing(empty_database: str, wrong: str) -> None:
    broken = SECOND._replace(sql=f"create table half (n integer); {wrong}")
    third = Migration(3, "0003_third.sql", "create table third (n integer)")
    with pytest.raises(MigrationFailed, match=r'0002_second\.sql failed and left nothing behind.*" does not exist'):
        await migrate(empty_database, migrations=[FIRST, broken, third])
    assert await applied(empty_database) == [FIRST.name]
    assert not {"half", "third"} & await tables(empty_database)
    assert await migrate(empty_database, migrations=[FIRST, SECOND, third]) == [SECOND.name, third.name]


async def test_a_file_that_fails_outside_a_transaction_says_what_may_be_left(empty_database: str) -> None:
    broken = SECOND._replace(sql=f"{NO_TRANSACTION}\ncreate index concurrently on nowhere (n)")
    with pytest.raises(MigrationFailed, match=r"0002_second\.sql failed and may have left something half done"):
        await migrate(empty_database, migrations=[FIRST, broken])
    assert await applied(empty_database) == [FIRST.name]


async def test_an_index_is_built_concurrently_while_other_starters_wait(empty_database: str) -> None:
    await migrate(empty_database, migrations=[FIRST])
    index = Migration(2, "0002_index.sql", f"{NO_TRANSACTION}\ncreate index concurrently found on first (n)")
    async with connected(empty_database) as holder, holder.transaction(), connected(empty_database) as watcher:
        # An open transaction that holds the table holds the build up until every starter has arrived.
        await holder.execute("lock table first in row exclusive mode")
        starts = [asyncio.ensure_future(migrate(empty_database, migrations=[FIRST, index])) for _ in range(3)]
        async with asyncio.timeout(PATIENCE):
            while await watcher.fetchval(STARTERS) < len(starts):  # noqa: ASYNC110 - the event is in the database
                await asyncio.sleep(0.01)
    assert sorted(await asyncio.gather(*starts)) == [[], [], [index.name]]
    async with connected(empty_database) as connection:
        assert await connection.fetchval("select indisvalid from pg_index where indexrelid = 'found'::regclass")


async def test_a_schema_newer_than_this_release_is_left_alone_and_ready(database: str) -> None:
    async with connected(database) as connection:
        await connection.execute("insert into schema_migrations values (9999, '9999_later.sql', 'unknown')")
    assert await migrate(database) == []
    assert await vitrine_migrate(database, "--check") == (0, "The schema is up to date.\n", "")
    store = await open_store(database)
    await store.check()
    await store.close()


async def test_a_schema_that_lacks_a_file_is_not_ready_and_names_the_remedy(database: str) -> None:
    newest = "(select max(version) from schema_migrations)"
    async with connected(database) as connection:
        await connection.execute(f"delete from schema_migrations where version = {newest}")
    store = await open_store(database)
    with pytest.raises(SchemaTooOld, match="vitrine migrate"):
        await store.check()
    await store.close()


FAULTS = {
    "away": ("postgresql://bob:hunter2@127.0.0.1:1/vitrine", "does not answer"),
    "unknown host": ("postgresql://bob:hunter2@nowhere.invalid/vitrine", "does not answer"),
    "slash in the password": ("postgresql://bob:hunter2/x@127.0.0.1/vitrine", "percent-encode"),
    "bracket in the password": ("postgresql://bob:hunter2[@127.0.0.1/vitrine", "percent-encode"),
    "port beyond all ports": ("postgresql://bob:hunter2@127.0.0.1:99999/vitrine", "ports"),
    "unknown mode": ("postgresql://bob:hunter2@127.0.0.1/vitrine?sslmode=hunter2", "parameters"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_url_that_leads_nowhere_is_explained_without_its_secret(fault: str) -> None:
    url, hint = FAULTS[fault]
    await assert_explained(url, hint)


async def test_a_server_that_says_no_is_explained(postgres_server: str, empty_database: str) -> None:
    await assert_explained(with_database(postgres_server, "vitrine_nowhere"), "no database of the URL's name")
    await assert_explained(as_user(empty_database, "vitrine_nobody"), "user or the password")
    parameter = f"{empty_database}{'&' if '?' in empty_database else '?'}"
    await assert_explained(f"{parameter}target_session_attrs=standby", "target_session_attrs")
    await assert_explained(f"{parameter}colour=blue", "parameters")


async def assert_explained(url: str, hint: str) -> None:
    """See both the migration and the service refuse the database with the hint, and without a secret."""
    store = await open_store(url)
    for call in (migrate(url), store.check()):
        with pytest.raises(StoreUnavailable, match=hint) as refusal:
            await call
        assert "hunter2" not in str(refusal.value)
    await store.close()


async def test_a_fault_is_one_clear_line_of_the_command() -> None:
    await assert_one_line("postgresql://bob:hunter2@127.0.0.1:1/vitrine", "does not answer")


async def test_a_user_who_may_not_create_tables_is_told_so(empty_database: str) -> None:
    role = f"vitrine_{secrets.token_hex(8)}"
    async with connected(empty_database) as connection:
        await connection.execute(f"create role {role} login password 'hunter2'")
        await connection.execute("revoke create on schema public from public")
        try:
            await assert_one_line(as_user(empty_database, role), "forbids")
        finally:
            await connection.execute(f"drop role {role}")


def as_user(url: str, user: str) -> str:
    """Replace who a URL connects as; the password is `hunter2`."""
    parts = urlsplit(url)
    return url.replace(f"//{parts.netloc}", f"//{user}:hunter2@{parts.netloc.rpartition('@')[2]}", 1)


async def assert_one_line(url: str, hint: str) -> None:
    """Run `vitrine migrate` and see it fail with one line that gives the hint and no secret."""
    code, output, errors = await vitrine_migrate(url)
    assert (code, output) == (1, "")
    assert errors.startswith("vitrine: ")
    assert errors.count("\n") == 1
    assert hint in errors
    assert "hunter2" not in errors
