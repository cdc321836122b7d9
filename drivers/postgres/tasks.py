"""Tasks over PostgreSQL."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import asyncpg
import msgspec
from msgspec.structs import asdict

from drivers.errors import LeaseLost, TaskNotFound, UnknownMarker, Unstorable
from drivers.postgres import task_statements as statements
from drivers.postgres.conditions import Values, storable
from drivers.postgres.connections import PostgresConnections
from drivers.tasks import Task, TaskQuery

OBJECTS = ("input", "result", "private")
NULL_AS: Mapping[str, str] = MappingProxyType({"owner": "''", "expires_at": "'-infinity'"})


class PostgresTasks(PostgresConnections):
    """Keeps the contract of TaskStore."""

    async def add_task(self, task: Task) -> None:
        """See TaskStore.add_task."""
        await self._held(task, statements.ADD_TASK, *_values(task))

    async def take_tasks(self, limit: int, *, lease: timedelta, updated_at: datetime) -> Sequence[Task]:
        """See TaskStore.take_tasks."""
        async with self._connection() as connection:
            rows = await connection.fetch(statements.TAKE_TASKS, limit, lease, updated_at)
        return sorted(map(_to_task, rows), key=lambda task: (task.created_at, task.id))

    async def renew_task(self, task: Task, *, lease: timedelta) -> None:
        """See TaskStore.renew_task."""
        values = task.id, task.attempt, task.message, task.updated_at, lease
        await self._held(task, statements.RENEW_TASK, *values)

    async def save_task(self, task: Task) -> None:
        """See TaskStore.save_task."""
        await self._held(task, statements.SAVE_TASK, *_values(task))

    async def task(self, task_id: str) -> Task:
        """See TaskStore.task."""
        row = None
        if storable(task_id):
            async with self._connection() as connection:
                row = await connection.fetchrow(statements.READ_TASK, task_id)
        if row is None:
            raise TaskNotFound(task_id)
        return _to_task(row)

    async def image_tasks(self, image_id: str) -> Sequence[Task]:
        """See TaskStore.image_tasks."""
        if not storable(image_id):
            return []
        async with self._connection() as connection:
            return [_to_task(row) for row in await connection.fetch(statements.READ_IMAGE_TASKS, image_id)]

    async def list_tasks(self, query: TaskQuery) -> Sequence[Task]:
        """See TaskStore.list_tasks."""
        async with self._connection() as connection:
            marker = await _marker(connection, query)
            text, values = page_statement(query, marker)
            return [_to_task(row) for row in await connection.fetch(text, *values)]

    async def drop_tasks(self, expired_at: datetime) -> int:
        """See TaskStore.drop_tasks."""
        async with self._connection() as connection:
            return int(await connection.fetchval(statements.DROP_TASKS, expired_at))

    async def _held(self, task: Task, statement: str, *values: Any) -> None:
        async with self._connection() as connection:
            await _change(connection, task, statement, *values)


async def add_or_save_task(connection: asyncpg.Connection, task: Task, lease: timedelta) -> None:
    """Do to a task what a save of its image does. Raise LeaseLost."""
    # A task that somebody took up once is not new: where it is not there, it was forgotten.
    if task.attempt:
        await _change(connection, task, statements.SAVE_TASK, *_values(task))
        return
    own = lease if task.status == "processing" else timedelta()
    await _change(connection, task, statements.ADD_OR_SAVE_TASK, *_values(task), own)


async def _change(connection: asyncpg.Connection, task: Task, statement: str, *values: Any) -> None:
    if await connection.fetchval(statement, *values) is None:
        raise LeaseLost(f"The lease of the task {task.id} is lost.")


async def _marker(connection: asyncpg.Connection, query: TaskQuery) -> Task | None:
    """Read the task behind which the page starts. Raise UnknownMarker."""
    if query.marker is None:
        return None
    values = Values()
    where = " and ".join((_is("id", query.marker, values), *_visible(query, values)))
    row = await connection.fetchrow(f"{statements.LIST_TASKS} where {where}", *values.all)
    if row is None:
        raise UnknownMarker(query.marker, "task")
    return _to_task(row)


def page_statement(query: TaskQuery, marker: Task | None) -> tuple[str, list[Any]]:
    """Write the statement of a page, which starts behind the marker; give its values, too."""
    values, direction = Values(), "desc" if query.descending else "asc"
    fields = list(dict.fromkeys((query.sort_key, "created_at", "id")))
    keys = [_key(field, field) for field in fields]
    where = [*_visible(query, values), *(_is(field, value, values) for field, value in query.filters)]
    if marker is not None:
        marks = ", ".join(_key(field, _add(values, getattr(marker, field), field)) for field in fields)
        where.append(f"({', '.join(keys)}) {'<' if query.descending else '>'} ({marks})")
    order = ", ".join(f"{key} {direction}" for key in keys)
    text = f"{statements.LIST_TASKS} where {' and '.join(where)} order by {order} limit {query.limit:d}"
    return text, values.all


def _visible(query: TaskQuery, values: Values) -> Iterator[str]:
    yield f"(expires_at is null or expires_at >= {values.add(query.now, 'timestamptz')})"
    if query.project_id is not None:
        yield _is("owner", query.project_id, values)


def _is(field: str, value: str, values: Values) -> str:
    return f"{field} = {values.add(value)}" if storable(value) else "false"


def _key(field: str, expression: str) -> str:
    return f"coalesce({expression}, {NULL_AS[field]})" if field in NULL_AS else expression


def _add(values: Values, value: Any, field: str) -> str:
    return values.add(value, "timestamptz" if field.endswith("_at") else "text")


def _values(task: Task) -> tuple[Any, ...]:
    """Give the values of COLUMNS in their order."""
    objects = {name: _to_json(getattr(task, name)) for name in OBJECTS}
    return tuple((asdict(task) | objects).values())


def _to_task(row: asyncpg.Record) -> Task:
    objects = {name: msgspec.json.decode(row[name]) for name in OBJECTS if row[name] is not None}
    return Task(**dict(row) | objects)


def _to_json(value: Any) -> str | None:
    try:
        return None if value is None else msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        raise Unstorable("A value cannot be stored (UnicodeEncodeError).") from None
