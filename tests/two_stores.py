"""A random history on both drivers at once; the test modules say what is asked."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import asyncpg
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from drivers.errors import StoreError
from drivers.memory import MemoryStore
from drivers.options import StoreOptions
from drivers.protocol import ImageStore
from drivers.registry import open_store

Call = Callable[[ImageStore], Awaitable[Any]]


class TwoStores(RuleBasedStateMachine):
    """Holds the answers of both drivers against each other, with a loop of its own."""

    database: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.memory = MemoryStore()
        self.runner.run(empty(self.database))
        self.postgres = self.runner.run(open_store(self.database, StoreOptions(pool=2)))

    def teardown(self) -> None:
        self.runner.run(self.postgres.close())
        self.runner.close()

    def both(self, call: Call) -> Any:
        """Make the call on each driver; give the answer they agree on, or the text of their refusal."""
        ours, theirs = (self.runner.run(answer(call(store))) for store in (self.memory, self.postgres))
        assert ours == theirs
        return ours


def compare(history: type[TwoStores], database: str) -> None:
    """Tell the history in many ways, on a database of one's own."""
    here = type("HistoryHere", (history,), {"database": database})
    run_state_machine_as_test(here, settings=settings(max_examples=40, stateful_step_count=20, deadline=None))


async def answer(call: Awaitable[Any]) -> Any:
    """Give the call's answer; of a refusal its kind and text."""
    try:
        return await call
    except StoreError as refusal:
        return type(refusal), str(refusal)


async def empty(database: str) -> None:
    """Leave nothing in the database but its schema."""
    connection = await asyncpg.connect(database)
    tables = await connection.fetchval(
        "select string_agg(tablename, ', ') from pg_tables "
        "where schemaname = 'public' and tablename <> 'schema_migrations'"
    )
    await connection.execute(f"truncate {tables}")
    await connection.close()
