"""The records of metadata definitions: namespaces, what is inside them, and what may happen to both."""

from datetime import datetime
from typing import Literal, get_args

import msgspec

Kind = Literal["resource_type", "object", "property", "tag"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NamespaceVisibility = Literal["public", "private"]
NamespaceKey = Literal[
    "namespace", "display_name", "description", "visibility", "protected", "owner", "created_at", "updated_at"
]
EMPTY = msgspec.Raw(b"{}")


class Namespace(msgspec.Struct, frozen=True, kw_only=True):
    """One namespace's own fields (metadata definitions reference, section 4.1); its name is unique in the cloud.

    `number` is the store's: it grows with each namespace and is never used twice. `revision` counts the saves, from 1.
    """

    name: str
    owner: str
    created_at: datetime
    updated_at: datetime
    display_name: str | None = None
    description: str | None = None
    visibility: NamespaceVisibility = "private"
    protected: bool = False
    number: int = 0
    revision: int = 1


class Item(msgspec.Struct, frozen=True, array_like=True):
    """Something inside a namespace, found by its kind and name: an association with a resource type, an object, ...

    `content` is a JSON object that a store keeps to the byte and never looks into. `number` is the store's and grows
    with each item.
    """

    kind: Kind
    name: str
    created_at: datetime
    updated_at: datetime
    content: msgspec.Raw = EMPTY
    number: int = 0


class Contents(msgspec.Struct, frozen=True):
    """A namespace with items of it, ordered by kind and name, or with its properties as one JSON object by name."""

    namespace: Namespace
    items: tuple[Item, ...] = ()
    properties: msgspec.Raw = EMPTY

    def of(self, kind: Kind) -> list[Item]:
        """List the items of one kind, by name."""
        return [item for item in self.items if item.kind == kind]


class ResourceType(msgspec.Struct, frozen=True):
    """A kind of resource that some namespace was once associated with."""

    name: str
    created_at: datetime
    updated_at: datetime


class Ask(msgspec.Struct, frozen=True):
    """Which namespace to read, and of what is inside it which kinds; or only the items of one name.

    With `properties` come the contents of all properties as one JSON object: there may be hundreds, and so they cost
    who only passes them on next to nothing.
    """

    namespace: str
    kinds: tuple[Kind, ...] = ()
    item: str | None = None
    properties: bool = False


class NamespaceQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One page of namespaces, as a project sees them (metadata definitions reference, section 4.3).

    An admin sees all; anyone else the public ones and those of the own project, None for a viewer without one.
    `resource_types` keeps what is associated with any of these. Ties are broken by `created_at`, then by number, all
    in the one direction; null counts as the empty text, text is ordered by code point. The page starts after the
    namespace `marker`, and has no end without a `limit`. Each namespace comes with its items of these `kinds`.
    """

    project_id: str | None
    is_admin: bool = False
    visibility: NamespaceVisibility | None = None
    resource_types: tuple[str, ...] | None = None
    sort_key: NamespaceKey = "created_at"
    direction: Literal["asc", "desc"] = "desc"
    marker: str | None = None
    limit: int | None = 25
    kinds: tuple[Kind, ...] = ("resource_type",)


class Add(msgspec.Struct, frozen=True):
    """Keep a new namespace with its items."""

    contents: Contents


class Save(msgspec.Struct, frozen=True):
    """Replace a namespace's own fields, its name too, by those of the one that was read and edited."""

    namespace: Namespace


class Delete(msgspec.Struct, frozen=True):
    """Remove a namespace and all inside it; resource types stay."""

    namespace: Namespace


class AddItems(msgspec.Struct, frozen=True):
    """Put items into a namespace; with `instead`, all it has of that kind goes first. New resource types come to be."""

    namespace: Namespace
    items: tuple[Item, ...]
    instead: Kind | None = None


class SaveItem(msgspec.Struct, frozen=True):
    """Replace the item of this name by one of its kind, whose name may be another; `created_at` never changes."""

    namespace: Namespace
    name: str
    item: Item


class RemoveItem(msgspec.Struct, frozen=True):
    """Remove the item of this kind and name."""

    namespace: Namespace
    kind: Kind
    name: str


class ForgetResourceTypes(msgspec.Struct, frozen=True):
    """Remove every resource type that no namespace is associated with."""


Change = Add | Save | Delete | AddItems | SaveItem | RemoveItem | ForgetResourceTypes
