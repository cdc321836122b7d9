"""The contract of metadata definitions over PostgreSQL: reads coalesced, all changes of a call one transaction."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import Any, Final

import asyncpg
import msgspec

from drivers.coalesce import Coalescer
from drivers.metadefs.errors import (
    ItemExists,
    ItemNotFound,
    NamespaceChanged,
    NamespaceExists,
    NamespaceNotFound,
)
from drivers.metadefs.records import (
    EMPTY,
    Add,
    AddItems,
    Ask,
    Change,
    Contents,
    Delete,
    ForgetResourceTypes,
    Item,
    Kind,
    Namespace,
    NamespaceKey,
    NamespaceQuery,
    RemoveItem,
    ResourceType,
    Save,
    SaveItem,
)
from drivers.postgres import metadef_statements as statements
from drivers.postgres.conditions import storable

# One namespace may be large, so fewer are read at a time than images.
BATCH = 50
FIELDS = tuple(name.strip().removeprefix("namespaces.") for name in statements.COLUMNS.split(","))
ITEMS: Final = msgspec.json.Decoder(tuple[Item, ...])
KEYS: Mapping[NamespaceKey, str] = MappingProxyType(
    {
        "namespace": "namespaces.name",
        "display_name": "coalesce(namespaces.display_name, '')",
        "description": "coalesce(namespaces.description, '')",
    }
)


class PostgresMetadefs:
    """Keeps every contract of MetadefStore; `connection` lends a connection and translates its faults."""

    def __init__(self, connection: Callable[[], AbstractAsyncContextManager[asyncpg.Connection]]) -> None:
        self._connection = connection
        self._reads = Coalescer(self._read, limit=BATCH)

    async def read(self, ask: Ask) -> Contents:
        """See MetadefStore.read; what no column can hold is answered at once, and cannot spoil a shared batch."""
        if storable(ask.namespace) and storable(ask.item or ""):
            contents = await self._reads.get(ask)
            if contents is not None:
                return contents
        raise NamespaceNotFound(ask.namespace)

    async def _read(self, asks: Sequence[Ask]) -> Mapping[Ask, Contents]:
        values = zip(*((ask.namespace, ",".join(ask.kinds), ask.item, ask.properties) for ask in asks), strict=True)
        async with self._connection() as connection:
            found = await connection.fetch(statements.READ_NAMESPACES, *values)
        return {asks[row["place"] - 1]: _contents(row, row["properties"]) for row in found}

    async def list_namespaces(self, query: NamespaceQuery) -> Sequence[Contents]:
        """See MetadefStore.list_namespaces."""
        if query.marker is not None and not storable(query.marker):
            raise NamespaceNotFound(query.marker)
        text = statements.LIST_NAMESPACES.format(
            key=KEYS.get(query.sort_key, f"namespaces.{query.sort_key}"),
            direction=query.direction,
            after=">" if query.direction == "asc" else "<",
        )
        async with self._connection() as connection:
            found = await connection.fetch(text, *_list_values(query))
        if query.marker is not None and not found[0]["found"]:
            raise NamespaceNotFound(query.marker)
        return [_contents(row) for row in found if row["number"] is not None]

    async def resource_types(self) -> Sequence[ResourceType]:
        """See MetadefStore.resource_types."""
        async with self._connection() as connection:
            return [ResourceType(*row) for row in await connection.fetch(statements.READ_RESOURCE_TYPES)]

    async def change(self, *changes: Change) -> None:
        """See MetadefStore.change."""
        async with self._connection() as connection, connection.transaction():
            for change in changes:
                await _apply(connection, change)


def _list_values(query: NamespaceQuery) -> tuple[Any, ...]:
    project = query.project_id if query.project_id is not None and storable(query.project_id) else None
    types = query.resource_types
    return (
        query.is_admin,
        project,
        query.visibility,
        None if types is None else [name for name in types if storable(name)],
        query.marker,
        query.limit,
        ",".join(query.kinds),
    )


def _contents(row: asyncpg.Record, properties: str | None = None) -> Contents:
    namespace = Namespace(**dict(zip(FIELDS, row, strict=False)))
    items = ITEMS.decode(row["items"]) if row["items"] else ()
    return Contents(namespace, items, msgspec.Raw(properties) if properties else EMPTY)


async def _apply(connection: asyncpg.Connection, change: Change) -> None:
    if not isinstance(change, Add | ForgetResourceTypes):
        await _lock(connection, change.namespace)
    match change:
        case Add(contents):
            await _add(connection, contents)
        case Save(namespace):
            await _save(connection, namespace)
        case Delete(namespace):
            await connection.execute(statements.DELETE_NAMESPACE, namespace.number)
        case AddItems(namespace, items, instead):
            await connection.execute(statements.REMOVE_ALL, namespace.number, instead)
            await _add_items(connection, namespace, items)
        case SaveItem(namespace, name, item):
            await _save_item(connection, namespace, name, item)
        case RemoveItem(namespace, kind, name):
            await _remove(connection, namespace, kind, name)
        case ForgetResourceTypes():
            await connection.execute(statements.FORGET_RESOURCE_TYPES)


async def _lock(connection: asyncpg.Connection, namespace: Namespace) -> None:
    if await connection.fetchval(statements.LOCK_NAMESPACE, namespace.number, namespace.revision) is None:
        raise NamespaceChanged(namespace.name)


async def _add(connection: asyncpg.Connection, contents: Contents) -> None:
    namespace = contents.namespace
    number = await connection.fetchval(
        statements.ADD_NAMESPACE, *_fields(namespace), namespace.created_at, namespace.updated_at
    )
    if number is None:
        raise NamespaceExists(namespace.name)
    await _add_items(connection, msgspec.structs.replace(namespace, number=number), contents.items)


async def _save(connection: asyncpg.Connection, namespace: Namespace) -> None:
    try:
        await connection.execute(statements.SAVE_NAMESPACE, namespace.number, *_fields(namespace), namespace.updated_at)
    except asyncpg.UniqueViolationError:
        raise NamespaceExists(namespace.name) from None


async def _add_items(connection: asyncpg.Connection, namespace: Namespace, items: Sequence[Item]) -> None:
    if not items:
        return
    types = [(item.name, item.created_at) for item in items if item.kind == "resource_type"]
    if types:
        await connection.execute(statements.ADD_RESOURCE_TYPES, *zip(*types, strict=True))
    values = ((item.kind, item.name, _text(item), item.created_at, item.updated_at) for item in items)
    added = await connection.fetch(statements.ADD_ITEMS, namespace.number, *zip(*values, strict=True))
    refused = Counter((item.kind, item.name) for item in items) - Counter((row["kind"], row["name"]) for row in added)
    for kind, name in refused:
        raise ItemExists(kind, name, namespace.name)


async def _save_item(connection: asyncpg.Connection, namespace: Namespace, name: str, item: Item) -> None:
    try:
        saved = await connection.fetchval(
            statements.SAVE_ITEM, namespace.number, item.kind, name, item.name, _text(item), item.updated_at
        )
    except asyncpg.UniqueViolationError:
        raise ItemExists(item.kind, item.name, namespace.name) from None
    if saved is None:
        raise ItemNotFound(item.kind, name, namespace.name)


async def _remove(connection: asyncpg.Connection, namespace: Namespace, kind: Kind, name: str) -> None:
    if await connection.fetchval(statements.REMOVE_ITEM, namespace.number, kind, name) is None:
        raise ItemNotFound(kind, name, namespace.name)


def _fields(namespace: Namespace) -> tuple[Any, ...]:
    return (
        namespace.name,
        namespace.display_name,
        namespace.description,
        namespace.visibility,
        namespace.protected,
        namespace.owner,
    )


def _text(item: Item) -> str:
    return bytes(item.content).decode()
