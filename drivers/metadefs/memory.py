"""The contract of metadata definitions in dictionaries."""

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

import msgspec
from msgspec.structs import replace

from drivers.metadefs.errors import (
    ItemExists,
    ItemNotFound,
    NamespaceChanged,
    NamespaceExists,
    NamespaceNotFound,
)
from drivers.metadefs.records import (
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
    NamespaceQuery,
    RemoveItem,
    ResourceType,
    Save,
    SaveItem,
)

Items = dict[tuple[Kind, str], Item]


class MemoryMetadefs:
    """Keeps every contract of MetadefStore; changes are made to a copy that then takes the place of what was."""

    def __init__(self) -> None:
        self._state = _State({}, {}, {})
        self._numbers = count(1)

    async def read(self, ask: Ask) -> Contents:
        """See MetadefStore.read."""
        namespace = self._state.named(ask.namespace)
        if namespace is None:
            raise NamespaceNotFound(ask.namespace)
        contents = self._state.contents(namespace, ask.kinds)
        if ask.properties:
            contents = replace(contents, properties=self._state.properties(namespace))
        if ask.item is None:
            return contents
        return replace(contents, items=tuple(item for item in contents.items if item.name == ask.item))

    async def list_namespaces(self, query: NamespaceQuery) -> Sequence[Contents]:
        """See MetadefStore.list_namespaces."""
        seen = [namespace for namespace in self._state.namespaces.values() if _sees(query, namespace)]
        seen.sort(key=lambda namespace: _place(query, namespace), reverse=query.direction == "desc")
        if query.marker is not None:
            names = [namespace.name for namespace in seen]
            if query.marker not in names:
                raise NamespaceNotFound(query.marker)
            seen = seen[names.index(query.marker) + 1 :]
        page = [namespace for namespace in seen if self._fulfils(query, namespace)][: query.limit]
        return [self._state.contents(namespace, query.kinds) for namespace in page]

    async def resource_types(self) -> Sequence[ResourceType]:
        """See MetadefStore.resource_types."""
        return sorted(self._state.types.values(), key=lambda each: (each.created_at, each.name))

    async def change(self, *changes: Change) -> None:
        """See MetadefStore.change."""
        state = self._state.copy()
        for change in changes:
            state.apply(change, self._numbers)
        self._state = state

    def _fulfils(self, query: NamespaceQuery, namespace: Namespace) -> bool:
        held = self._state.items[namespace.number]
        return query.visibility in {None, namespace.visibility} and (
            query.resource_types is None or any(("resource_type", name) in held for name in query.resource_types)
        )


class _State(msgspec.Struct):
    """All that is kept: namespaces and their items by number, resource types by name."""

    namespaces: dict[int, Namespace]
    items: dict[int, Items]
    types: dict[str, ResourceType]

    def copy(self) -> "_State":
        items = {number: dict(items) for number, items in self.items.items()}
        return _State(dict(self.namespaces), items, dict(self.types))

    def named(self, name: str) -> Namespace | None:
        return next((each for each in self.namespaces.values() if each.name == name), None)

    def contents(self, namespace: Namespace, kinds: tuple[Kind, ...]) -> Contents:
        held = self.items[namespace.number]
        return Contents(namespace, tuple(held[key] for key in sorted(held) if key[0] in kinds))

    def properties(self, namespace: Namespace) -> msgspec.Raw:
        items = self.contents(namespace, ("property",)).items
        return msgspec.Raw(msgspec.json.encode({item.name: item.content for item in items}))

    def apply(self, change: Change, numbers: "count[int]") -> None:
        match change:
            case Add(contents):
                self._add(contents, numbers)
            case Save(namespace):
                self._save(namespace)
            case Delete(namespace):
                self._current(namespace)
                del self.namespaces[namespace.number], self.items[namespace.number]
            case AddItems(namespace, items, instead):
                self._current(namespace)
                held = self.items[namespace.number]
                self.items[namespace.number] = {key: item for key, item in held.items() if key[0] != instead}
                self._add_items(namespace, items, numbers)
            case SaveItem(namespace, name, item):
                self._save_item(namespace, name, item)
            case RemoveItem(namespace, kind, name):
                self._take(namespace, kind, name)
            case ForgetResourceTypes():
                used = {name for items in self.items.values() for kind, name in items if kind == "resource_type"}
                self.types = {name: each for name, each in self.types.items() if name in used}

    def _add(self, contents: Contents, numbers: "count[int]") -> None:
        if self.named(contents.namespace.name):
            raise NamespaceExists(contents.namespace.name)
        namespace = replace(contents.namespace, number=next(numbers), revision=1)
        self.namespaces[namespace.number] = namespace
        self.items[namespace.number] = {}
        self._add_items(namespace, contents.items, numbers)

    def _save(self, namespace: Namespace) -> None:
        before = self._current(namespace)
        if namespace.name != before.name and self.named(namespace.name):
            raise NamespaceExists(namespace.name)
        self.namespaces[namespace.number] = replace(
            namespace, revision=before.revision + 1, created_at=before.created_at
        )

    def _add_items(self, namespace: Namespace, items: Iterable[Item], numbers: "count[int]") -> None:
        held = self.items[namespace.number]
        for item in items:
            if (item.kind, item.name) in held:
                raise ItemExists(item.kind, item.name, namespace.name)
            held[item.kind, item.name] = replace(item, number=next(numbers))
            if item.kind == "resource_type":
                self.types.setdefault(item.name, ResourceType(item.name, item.created_at, item.created_at))

    def _save_item(self, namespace: Namespace, name: str, item: Item) -> None:
        before = self._take(namespace, item.kind, name)
        held = self.items[namespace.number]
        if (item.kind, item.name) in held:
            raise ItemExists(item.kind, item.name, namespace.name)
        held[item.kind, item.name] = replace(item, number=before.number, created_at=before.created_at)

    def _take(self, namespace: Namespace, kind: Kind, name: str) -> Item:
        self._current(namespace)
        try:
            return self.items[namespace.number].pop((kind, name))
        except KeyError:
            raise ItemNotFound(kind, name, namespace.name) from None

    def _current(self, namespace: Namespace) -> Namespace:
        kept = self.namespaces.get(namespace.number)
        if kept is None or kept.revision != namespace.revision:
            raise NamespaceChanged(namespace.name)
        return kept


def _sees(query: NamespaceQuery, namespace: Namespace) -> bool:
    return query.is_admin or namespace.visibility == "public" or namespace.owner == query.project_id


def _place(query: NamespaceQuery, namespace: Namespace) -> tuple[Any, ...]:
    key = "name" if query.sort_key == "namespace" else query.sort_key
    value = getattr(namespace, key)
    return "" if value is None else value, namespace.created_at, namespace.number
