"""The databases of the benchmarks: made, filled, and dropped whatever happens."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg

from tests.postgres import with_database


@contextmanager
def filled_database(server: str, kind: str, fill: Callable[[str], Coroutine[Any, Any, None]]) -> Iterator[str]:
    """Give the URL of a new database on a server, once `fill` is done with it; its name tells its kind."""
    name = f"vitrine_{kind}_{os.getpid()}"
    asyncio.run(execute(server, f"create database {name} template template0"))
    try:
        asyncio.run(fill(with_database(server, name)))
        yield with_database(server, name)
    finally:
        asyncio.run(execute(server, f"drop database {name} with (force)"))


async def execute(url: str, statement: str) -> None:
    """Run one statement on a connection of its own."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
