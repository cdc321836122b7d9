"""Databases of their own for whole runs: made on a server, and dropped whatever happens."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg

from tests.postgres import with_database


@contextmanager
def new_database(server: str) -> Iterator[str]:
    """Give the URL of a new, empty database."""
    name = f"vitrine_{secrets.token_hex(8)}"
    asyncio.run(execute(server, f"create database {name} template template0"))
    try:
        yield with_database(server, name)
    finally:
        asyncio.run(execute(server, f"drop database {name} with (force)"))


@contextmanager
def filled_database(server: str, fill: Callable[[str], Coroutine[Any, Any, None]]) -> Iterator[str]:
    """Give the URL of a new database, once `fill` is done with it."""
    with new_database(server) as url:
        asyncio.run(fill(url))
        yield url


async def analyse(url: str) -> None:
    """Do what autovacuum would do a minute later, in the middle of a measurement."""
    await execute(url, "vacuum analyze")


async def execute(url: str, statement: str) -> object:
    """Run one statement on a connection of its own; give the first value that it answers, if it does."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()
