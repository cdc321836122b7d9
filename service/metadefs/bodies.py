"""What requests and files say of metadata definitions: their shapes, and the refusal of any other (section 3.5)."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import replace

from drivers.metadefs.records import NamespaceVisibility
from service.refusals import BadRequest, Forbidden

T = TypeVar("T")

NAME_LIMIT = 80
TEXT_LIMIT = 300
TIMES = frozenset({"created_at", "updated_at"})
READ_ONLY = TIMES | {"self", "schema"}
Name = Annotated[
    str, Meta(min_length=1, max_length=NAME_LIMIT, description="1 to 80 characters, none of them a slash.")
]
Short = Annotated[str, Meta(max_length=NAME_LIMIT)]
Count = Annotated[int, Meta(ge=0)]
Type = Annotated[
    Literal["array", "boolean", "integer", "number", "object", "string"], Meta(extra_json_schema={"type": "string"})
]
Visibility = Annotated[NamespaceVisibility, Meta(extra_json_schema={"type": "string"})]


class Items(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the elements of an array are."""

    type: Type
    enum: list[str] | UnsetType = UNSET


class Fragment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What a property's values are, in words of JSON schema (section 7.1); kept, not enforced."""

    name: Annotated[str | UnsetType, Meta(description="The property's name, where no key says it.")] = UNSET
    title: str
    description: str | UnsetType = UNSET
    type: Type
    default: Annotated[Any, Meta(description="Kept as text.")] = UNSET
    enum: list[str] | UnsetType = UNSET
    operators: list[str] | UnsetType = UNSET
    minimum: int | float | UnsetType = UNSET
    maximum: int | float | UnsetType = UNSET
    min_length: Count | UnsetType = UNSET
    max_length: Count | UnsetType = UNSET
    min_items: Count | UnsetType = UNSET
    max_items: Count | UnsetType = UNSET
    pattern: str | UnsetType = UNSET
    items: Items | UnsetType = UNSET
    readonly: bool | UnsetType = UNSET
    unique_items: bool | UnsetType = UNSET
    additional_items: bool | UnsetType = UNSET


class Property(Fragment, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A property by itself."""

    name: Name


class NewAssociation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A resource type on which a namespace's properties make sense."""

    name: Name
    prefix: Annotated[Short | UnsetType, Meta(description="What stands before the properties' names there.")] = UNSET
    properties_target: Annotated[Short | UnsetType, Meta(description="Which keys of the resource are meant.")] = UNSET


class NewObject(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Properties that belong together."""

    name: Name
    description: str | UnsetType = UNSET
    required: Annotated[list[str] | UnsetType, Meta(description="Names of properties, each once.")] = UNSET
    properties: dict[str, Fragment] | UnsetType = UNSET


class NewTag(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A word."""

    name: Name


class NewTags(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Several words."""

    tags: list[NewTag]


class NewNamespace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A namespace, with what is to be inside it."""

    namespace: Name
    display_name: Short | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=500)] | UnsetType = UNSET
    visibility: Visibility = "private"
    protected: Annotated[bool, Meta(description="Whether it is safe from deletion.")] = False
    owner: Annotated[
        Annotated[str, Meta(max_length=255)] | UnsetType, Meta(description="A project; else the caller's.")
    ] = UNSET
    resource_type_associations: list[NewAssociation] | UnsetType = UNSET
    properties: dict[str, Fragment] | UnsetType = UNSET
    objects: list[NewObject] | UnsetType = UNSET
    tags: list[NewTag] | UnsetType = UNSET


def read_namespace(body: Mapping[str, Any]) -> NewNamespace:
    """Read a namespace and its children; read-only keys in those are ignored.

    Raises Forbidden for read-only keys of its own, BadRequest for what is no namespace.
    """
    _refuse_read_only(body, READ_ONLY)
    parts = {name: body[name] for name in _CHILDREN if name in body}
    namespace = _converted({name: body[name] for name in body if name not in parts}, NewNamespace, "")
    check_name(namespace.namespace, "namespace")
    return replace(namespace, **{name: _CHILDREN[name](value, name) for name, value in parts.items()})


def read_object(body: Mapping[str, Any]) -> NewObject:
    """Read an object. Raises Forbidden or BadRequest."""
    _refuse_read_only(body, READ_ONLY)
    return _object(body, "")


def read_property(body: Mapping[str, Any]) -> Property:
    """Read a property. Raises Forbidden or BadRequest."""
    _refuse_read_only(body, TIMES)
    return _named(body, Property, "")


def read_association(body: Mapping[str, Any]) -> NewAssociation:
    """Read an association. Raises Forbidden or BadRequest."""
    _refuse_read_only(body, TIMES)
    return _named(body, NewAssociation, "")


def read_tag(body: Mapping[str, Any]) -> NewTag:
    """Read a tag. Raises Forbidden or BadRequest."""
    _refuse_read_only(body, TIMES)
    return _named(body, NewTag, "")


def read_tags(body: Mapping[str, Any]) -> list[NewTag]:
    """Read several tags. Raises Forbidden or BadRequest."""
    _refuse_read_only(body, TIMES)
    tags = _converted(body, NewTags, "").tags
    for number, tag in enumerate(tags):
        check_name(tag.name, f"tags[{number}].name")
    return tags


def check_name(name: str, place: str) -> None:
    """Raise BadRequest for a name that no path could carry."""
    if not 0 < len(name) <= NAME_LIMIT:
        raise BadRequest(f"{place}: a name has 1 to {NAME_LIMIT} characters.")
    if "/" in name or name in {".", ".."}:
        raise BadRequest(f"{place}: '{name}' is no segment of a path, and so no name.")


def _refuse_read_only(body: Mapping[str, Any], names: frozenset[str]) -> None:
    for name in sorted(names & body.keys()):
        raise Forbidden(f"Attribute '{name}' is read-only.")


def _named(value: Any, kind: "type[_Named]", place: str) -> "_Named":
    converted = _converted(value, kind, place)
    check_name(converted.name, f"{place}.name".lstrip("."))
    return converted


_Named = TypeVar("_Named", Property, NewAssociation, NewObject, NewTag)


def _object(value: Any, place: str) -> NewObject:
    properties = value.get("properties") if isinstance(value, dict) else None
    if not isinstance(properties, dict):
        converted = _named(value, NewObject, place)
    else:
        rest = _named({name: value[name] for name in value if name != "properties"}, NewObject, place)
        fragments = _fragments(properties, f"{place}.properties".lstrip("."))
        converted = replace(rest, properties=fragments)
    if converted.required and len(set(converted.required)) < len(converted.required):
        raise BadRequest(f"{place}.required: a name is there twice.".lstrip("."))
    return converted


def _fragments(value: Any, place: str) -> dict[str, Fragment]:
    """Read a map, each value by itself, so that a refusal can tell its key."""
    if not isinstance(value, dict):
        raise BadRequest(f"{place}: expected an object with a key for each property.")
    return {name: _converted(each, Fragment, f"{place}.{name[:NAME_LIMIT]}") for name, each in value.items()}


def _properties(value: Any, place: str) -> dict[str, Fragment]:
    fragments = _fragments(value, place)
    for name in fragments:
        check_name(name, place)
    return fragments


def _list_of(read: Callable[[Any, str], T]) -> Callable[[Any, str], list[T]]:
    def read_list(value: Any, place: str) -> list[T]:
        if not isinstance(value, list):
            raise BadRequest(f"{place}: expected an array.")
        return [read(_writable(each), f"{place}[{number}]") for number, each in enumerate(value)]

    return read_list


def _writable(value: Any) -> Any:
    """Leave out what clients send back as they read it."""
    return {name: value[name] for name in value if name not in READ_ONLY} if isinstance(value, dict) else value


_CHILDREN: Mapping[str, Callable[[Any, str], Any]] = {
    "resource_type_associations": _list_of(lambda value, place: _named(value, NewAssociation, place)),
    "properties": _properties,
    "objects": _list_of(_object),
    "tags": _list_of(lambda value, place: _named(value, NewTag, place)),
}


def _converted(value: Any, kind: type[T], place: str) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        # The library says `what - at `$.path``, and quotes values, which may be as long as the body.
        what, _, path = str(error).rpartition(" - at `$")
        where = f"{place}{path.removesuffix('`')}".lstrip(".") if what else place
        raise BadRequest(f"{where or 'The body'}: {(what or str(error))[:TEXT_LIMIT]}.") from None
