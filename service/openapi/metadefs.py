"""The documentation of metadata definitions."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from drivers.metadefs.records import NamespaceKey
from drivers.query import Direction
from service.metadefs.bodies import (
    NewAssociation,
    NewNamespace,
    NewObject,
    NewTag,
    NewTags,
    Property,
    Visibility,
)
from service.metadefs.wire import (
    AssociationBody,
    AssociationsBody,
    NamespaceBody,
    NamespacesBody,
    ObjectBody,
    ObjectsBody,
    PropertiesBody,
    ResourceTypesBody,
    TagBody,
    TagsBody,
)
from service.openapi.operation import JSON, NOTHING, Answer, Header, Operation, Parameter

TAG = "Metadata definitions"
NAMESPACE = Parameter("path", "namespace", "The namespace's name.")
NAME = Parameter("path", "name", "The name.")
ITEM = (NAMESPACE, NAME)
LIMIT = Annotated[int, Meta(ge=0)]
RESOURCE_TYPE = Parameter("query", "resource_type", "Say names of properties as they are on this resource type.")
SchemaName = Annotated[
    Literal[
        "namespace", "namespaces", "object", "objects", "properties", "property", "resource_type", "resource_types",
        "tag", "tags",
    ],
    Meta(extra_json_schema={"type": "string"}),
]  # fmt: skip
READ_ONLY = Answer("The policy refuses, or the body sets what only the service sets.")
PROTECTED = Answer("The policy refuses, or the namespace is protected.")
TAKEN = Answer("The name is taken, or is there twice.")
UNKNOWN = Answer("There is no such thing, or the caller may not know of it.")


def _add(summary: str, body: Any, answer: Any, parameters: tuple[Parameter, ...] = (NAMESPACE,)) -> Operation:
    answers = {201: Answer("As it is now.", {JSON: answer}), 403: READ_ONLY, 409: TAKEN}
    return Operation(TAG, summary, answers, parameters, {JSON: body} if body else NOTHING)


def _read(summary: str, answer: Any, parameters: tuple[Parameter, ...] = (NAMESPACE,)) -> Operation:
    return Operation(TAG, summary, {200: Answer("As it is now.", {JSON: answer}), 404: UNKNOWN}, parameters)


def _save(summary: str, body: Any, answer: Any, parameters: tuple[Parameter, ...] = ITEM) -> Operation:
    answers = {200: Answer("As it is now.", {JSON: answer}), 403: READ_ONLY, 409: TAKEN}
    return Operation(TAG, summary, answers, parameters, {JSON: body}, "What the body leaves out is reset.")


def _remove(summary: str, parameters: tuple[Parameter, ...] = ITEM) -> Operation:
    return Operation(TAG, summary, {204: Answer("It is gone."), 403: PROTECTED}, parameters)


LIST_TYPES = _read("List all resource types", ResourceTypesBody, ())
_CREATE = _add("Create a namespace, with what is inside it", NewNamespace, NamespaceBody, ())
CREATE_NAMESPACE = _CREATE._replace(
    answers={
        **_CREATE.answers,
        201: Answer("The namespace.", {JSON: NamespaceBody}, {"Location": Header("Its URL.")}),
        404: UNKNOWN,
    }
)
LIST_NAMESPACES = _read(
    "List namespaces",
    NamespacesBody,
    (
        Parameter("query", "limit", "Most namespaces on the page.", LIMIT),
        Parameter("query", "marker", "The page starts after this namespace, the last of the one before."),
        Parameter("query", "sort_key", "What to sort by; else the time of creation.", NamespaceKey),
        Parameter("query", "sort_dir", "Else downwards.", Direction),
        Parameter("query", "visibility", "Only these.", Visibility),
        Parameter("query", "resource_types", "Only those associated with one of these, separated by commas."),
    ),
)
SHOW_NAMESPACE = _read(
    "Show a namespace with all inside it",
    NamespaceBody,
    (NAMESPACE, RESOURCE_TYPE, Parameter("query", "visibility", "Checked, and without effect.", Visibility)),
)
UPDATE_NAMESPACE = _save("Replace a namespace's own fields", NewNamespace, NamespaceBody, (NAMESPACE,))
DELETE_NAMESPACE = _remove("Delete a namespace with all inside it", (NAMESPACE,))

LIST_ASSOCIATIONS = _read("List a namespace's resource types", AssociationsBody)
ADD_ASSOCIATION = _add("Associate a namespace with a resource type", NewAssociation, AssociationBody)
REMOVE_ASSOCIATION = _remove("End an association with a resource type")

LIST_OBJECTS = _read(
    "List a namespace's objects",
    ObjectsBody,
    (
        NAMESPACE,
        Parameter("query", "limit", "Checked, and without effect.", Annotated[int, Meta(ge=1)]),
        Parameter("query", "sort_dir", "Checked, and without effect.", Direction),
        Parameter("query", "visibility", "Checked, and without effect."),
    ),
)
ADD_OBJECT = _add("Add an object", NewObject, ObjectBody)
SHOW_OBJECT = _read("Show an object", ObjectBody, ITEM)
UPDATE_OBJECT = _save("Replace an object", NewObject, ObjectBody)
REMOVE_OBJECT = _remove("Delete an object")
CLEAR_OBJECTS = _remove("Delete all objects of a namespace", (NAMESPACE,))

LIST_PROPERTIES = _read("List a namespace's properties", PropertiesBody)
ADD_PROPERTY = _add("Add a property", Property, Property)
SHOW_PROPERTY = _read(
    "Show a property",
    Property,
    (*ITEM, Parameter("query", "resource_type", "The path has the name as it is on this resource type.")),
)
UPDATE_PROPERTY = _save("Replace a property", Property, Property)
REMOVE_PROPERTY = _remove("Delete a property")
CLEAR_PROPERTIES = _remove("Delete all properties of a namespace", (NAMESPACE,))

LIST_TAGS = _read(
    "List a namespace's tags",
    TagsBody,
    (
        NAMESPACE,
        Parameter("query", "limit", "Most tags on the page; else all.", LIMIT),
        Parameter("query", "marker", "The page starts after this tag."),
        Parameter("query", "sort_key", "Else the time of creation.", Literal["name", "created_at", "updated_at"]),
        Parameter("query", "sort_dir", "Else downwards.", Direction),
        Parameter("query", "visibility", "Checked, and without effect."),
    ),
)
ADD_TAGS = _add(
    "Replace all tags of a namespace, or add to them",
    NewTags,
    TagsBody,
    (NAMESPACE, Parameter("header", "X-Openstack-Append", "`true` adds; else what was there goes.")),
)
ADD_TAG = _add("Add a tag", None, TagBody, ITEM)
SHOW_TAG = _read("Show a tag", TagBody, ITEM)
UPDATE_TAG = _save("Rename a tag", NewTag, TagBody)
REMOVE_TAG = _remove("Delete a tag")
CLEAR_TAGS = _remove("Delete all tags of a namespace", (NAMESPACE,))

SHOW_SCHEMA = Operation(
    "JSON schemas",
    "Show a JSON schema of metadata definitions",
    {200: Answer("The schema.", {JSON: dict[str, Any]})},
    (Parameter("path", "name", "What the schema describes.", SchemaName),),
)
