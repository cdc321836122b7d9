"""How metadata definitions are said: what is kept goes out as it is, joined with names, times and links."""

from collections.abc import Iterable
from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, Raw, UnsetType
from msgspec.structs import replace

from drivers.metadefs.records import EMPTY, Contents, Item, ResourceType
from service.metadefs.bodies import Fragment, NewObject, Property, Visibility
from service.wire import Time, whole_second

NAMESPACES = "/v2/metadefs/namespaces"
SCHEMAS = "/v2/schemas/metadefs"
ENCODER: Final = msgspec.json.Encoder()
CONTENT: Final = msgspec.json.Decoder(dict[str, Raw])


class Named(msgspec.Struct, frozen=True):
    """The name alone."""

    name: str


class Times(msgspec.Struct, frozen=True):
    """When something came, and when it last changed."""

    created_at: Time
    updated_at: Time


class Links(msgspec.Struct, frozen=True):
    """Where an object is, and its schema."""

    self_: str = msgspec.field(name="self")
    schema: str = f"{SCHEMAS}/object"


class AssociationBody(msgspec.Struct, frozen=True, kw_only=True):
    """A namespace's association with a resource type; without times in the answer to a namespace's creation."""

    name: str
    prefix: str | UnsetType = UNSET
    properties_target: str | UnsetType = UNSET
    created_at: Time | UnsetType = UNSET
    updated_at: Time | UnsetType = UNSET


class ObjectBody(msgspec.Struct, frozen=True, kw_only=True):
    """Properties that belong together; in the answer to a creation only what was sent."""

    name: str
    description: str | UnsetType = UNSET
    required: list[str] | UnsetType = UNSET
    properties: dict[str, Fragment] | UnsetType = UNSET
    created_at: Time | UnsetType = UNSET
    updated_at: Time | UnsetType = UNSET
    self_: str | UnsetType = msgspec.field(name="self", default=UNSET)
    schema: str | UnsetType = UNSET


class TagBody(msgspec.Struct, frozen=True):
    """A word, and its times."""

    name: str
    created_at: Time
    updated_at: Time


class TagsBody(msgspec.Struct, frozen=True):
    """Words."""

    tags: list[Named]


class NamespaceBody(msgspec.Struct, frozen=True, kw_only=True):
    """A namespace; what is inside it is there only in a show, and only where there is something."""

    namespace: str
    display_name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    visibility: Visibility
    protected: Annotated[bool, Meta(description="Whether it is safe from deletion.")]
    owner: str
    created_at: Time
    updated_at: Time
    self_: str = msgspec.field(name="self")
    schema: str = f"{SCHEMAS}/namespace"
    resource_type_associations: list[AssociationBody] | UnsetType = UNSET
    properties: dict[str, Fragment] | UnsetType = UNSET
    objects: list[ObjectBody] | UnsetType = UNSET
    tags: list[Named] | UnsetType = UNSET


class NamespacesBody(msgspec.Struct, frozen=True, kw_only=True):
    """A page of namespaces; every path is without host and prefix."""

    namespaces: list[NamespaceBody]
    first: Annotated[str, Meta(description="The path of the first page.")]
    next: Annotated[str | UnsetType, Meta(description="The path of the next page; absent on the last.")] = UNSET
    schema: str = f"{SCHEMAS}/namespaces"


class AssociationsBody(msgspec.Struct, frozen=True):
    """A namespace's associations, by name."""

    resource_type_associations: list[AssociationBody]


class ResourceTypesBody(msgspec.Struct, frozen=True):
    """All resource types, the earliest first."""

    resource_types: list[TagBody]


class ObjectsBody(msgspec.Struct, frozen=True):
    """A namespace's objects, by name."""

    objects: list[ObjectBody]
    schema: str = f"{SCHEMAS}/objects"


class PropertiesBody(msgspec.Struct, frozen=True):
    """A namespace's properties by name."""

    properties: dict[str, Property]


def answer(body: object, status: int = 200) -> web.Response:
    """Answer with JSON: a struct, or what is encoded already."""
    return web.Response(status=status, body=ENCODER.encode(body), content_type="application/json")


def namespace_body(contents: Contents, **children: Any) -> NamespaceBody:
    """Say a namespace's own fields, and the children that are given."""
    namespace = contents.namespace
    return NamespaceBody(
        namespace=namespace.name,
        display_name=_present(namespace.display_name),
        description=_present(namespace.description),
        visibility=namespace.visibility,
        protected=namespace.protected,
        owner=namespace.owner,
        created_at=whole_second(namespace.created_at),
        updated_at=whole_second(namespace.updated_at),
        self_=f"{NAMESPACES}/{namespace.name}",
        **children,
    )


def listed_body(contents: Contents) -> NamespaceBody:
    """Say a namespace as a list has it: with its associations, if there are any."""
    return namespace_body(contents, resource_type_associations=_some(map(association_body, contents.items)))


def whole_body(contents: Contents, resource_type: str | None) -> NamespaceBody:
    """Say a namespace with all inside it, property names with the prefix they have on that resource type (4.4)."""
    prefix = prefix_of(contents, resource_type)
    name = contents.namespace.name
    tags = sorted(contents.of("tag"), key=lambda tag: (tag.created_at, tag.number), reverse=True)
    return namespace_body(
        contents,
        resource_type_associations=_some(map(association_body, contents.of("resource_type"))),
        properties=_properties(contents.properties, prefix),
        objects=_some(object_body(_prefixed(each, prefix), name) for each in contents.of("object")),
        tags=_some(Named(each.name) for each in tags),
    )


def prefix_of(contents: Contents, resource_type: str | None) -> str:
    """Tell what stands before the names on a resource type; nothing where the namespace is not associated with it."""
    for each in contents.of("resource_type"):
        if each.name == resource_type:
            return str(msgspec.json.decode(each.content).get("prefix", ""))
    return ""


def association_body(item: Item) -> Raw:
    """Say an association."""
    return _joined(Named(item.name), item.content, _times(item))


def resource_type_body(each: ResourceType) -> TagBody:
    """Say a resource type."""
    return TagBody(each.name, whole_second(each.created_at), whole_second(each.updated_at))


def object_body(item: Item, namespace: str) -> Raw:
    """Say an object."""
    path = f"{NAMESPACES}/{namespace}/objects/{item.name}"
    return _joined(Named(item.name), item.content, _times(item), Links(path))


def new_object_body(new: NewObject, item: Item, namespace: str) -> Raw:
    """Say an object that has just come, with no more than was sent."""
    sent = {name: each for name, each in CONTENT.decode(item.content).items() if getattr(new, name) is not UNSET}
    return object_body(replace(item, content=Raw(ENCODER.encode(sent))), namespace)


def named_content(item: Item) -> Raw:
    """Say an item's name and content, which is all of a property."""
    return _joined(Named(item.name), item.content)


def tag_body(item: Item) -> TagBody:
    """Say a tag."""
    return TagBody(item.name, whole_second(item.created_at), whole_second(item.updated_at))


def location(base: str, namespace: str) -> str:
    """Give the URL of a namespace, for clients that follow it to the letter."""
    return f"{base}{NAMESPACES}/{quote(namespace, safe=':')}"


def _properties(properties: Raw, prefix: str) -> Any:
    if properties == EMPTY:
        return UNSET
    return {f"{prefix}{name}": each for name, each in CONTENT.decode(properties).items()} if prefix else properties


def _prefixed(item: Item, prefix: str) -> Item:
    if not prefix:
        return item
    content = msgspec.json.decode(item.content)
    properties = {f"{prefix}{name}": each for name, each in content["properties"].items()}
    changed = content | {"properties": properties, "required": [f"{prefix}{name}" for name in content["required"]]}
    return replace(item, content=Raw(ENCODER.encode(changed)))


def _times(item: Item) -> Times:
    return Times(whole_second(item.created_at), whole_second(item.updated_at))


def _joined(*parts: object) -> Raw:
    """Put JSON objects together at their braces."""
    inner = (ENCODER.encode(part)[1:-1] for part in parts)
    return Raw(b"{" + b",".join(filter(None, inner)) + b"}")


def _present(text: str | None) -> str | UnsetType:
    return UNSET if text is None else text


def _some(parts: Iterable[object]) -> Any:
    return list(parts) or UNSET
