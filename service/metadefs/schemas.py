"""The JSON schemas of metadata definitions (section 9); python-glanceclient holds every answer against them."""

from typing import Any, get_args

from drivers.metadefs.records import NamespaceVisibility

TYPES = ["array", "boolean", "integer", "number", "object", "string", None]


def metadef_schemas() -> dict[str, dict[str, Any]]:
    """Make the documents by name, as `/v2/schemas/metadefs/{name}` shows them."""
    namespace, object_, property_ = _namespace(), _object(), _property()
    association, tag = _association(), _tag()
    return {
        "namespace": namespace,
        "namespaces": _collection("namespaces", namespace),
        "object": object_,
        "objects": _collection("objects", object_),
        "property": property_,
        "properties": _properties(property_),
        "resource_type": association,
        "resource_types": _collection("resource_type_associations", association),
        "tag": tag,
        "tags": _collection("tags", tag),
    }


def _namespace() -> dict[str, Any]:
    fields = {
        "namespace": _text("The name, unique in the whole cloud", maxLength=80),
        "display_name": _text("The name for people, who may see it in their language", maxLength=80),
        "description": _text("What the namespace is about", maxLength=500),
        "visibility": _text("Who may see it", enum=list(get_args(NamespaceVisibility))),
        "protected": {"type": "boolean", "description": "Whether it is safe from deletion"},
        "owner": _text("The project that owns it", maxLength=255),
        "resource_type_associations": _array(
            {
                "type": "object",
                "properties": {"name": _text(), "prefix": _text(), "properties_target": _text()},
            }
        ),
        "properties": {"$ref": "#/definitions/property"},
        "objects": _array(
            {
                "type": "object",
                "properties": {
                    "name": _text(),
                    "description": _text(),
                    "required": {"$ref": "#/definitions/stringArray"},
                    "properties": {"$ref": "#/definitions/property"},
                },
            }
        ),
        "tags": _array({"type": "object", "properties": {"name": _text()}}),
    }
    return _item("namespace", fields | _times() | _links(), ["namespace"]) | {"definitions": _definitions()}


def _object() -> dict[str, Any]:
    fields = {
        "name": _text("The object's name", maxLength=80),
        "description": _text("What it is about"),
        "required": {"$ref": "#/definitions/stringArray"},
        "properties": {"$ref": "#/definitions/property"},
    }
    return _item("object", fields | _times() | _links(), ["name"]) | {"definitions": _definitions()}


def _property() -> dict[str, Any]:
    fields = {"name": _text("The property's name", maxLength=80), **_fragment()}
    words = _words() | {"stringArray": _words()["stringArray"] | {"minItems": 1}}
    return _item("property", fields, ["type", "title", "name"]) | {"definitions": words}


def _association() -> dict[str, Any]:
    fields = {
        "name": _text("The resource type, by convention named as Heat does", maxLength=80),
        "prefix": _text("What stands before the properties' names on this type, its separator too", maxLength=80),
        "properties_target": _text("Which keys of the resource are meant, where it has several sets", maxLength=80),
    }
    return _item("resource_type_association", fields | _times(), ["name"])


def _tag() -> dict[str, Any]:
    return _item("tag", {"name": _text("The tag", maxLength=80)} | _times(), ["name"])


def _item(name: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"name": name, "properties": properties, "additionalProperties": False, "required": required}


def _collection(name: str, item: dict[str, Any]) -> dict[str, Any]:
    inner = {key: value for key, value in item.items() if key != "definitions"}
    return _page(name, _array(inner), item)


def _properties(item: dict[str, Any]) -> dict[str, Any]:
    """Describe the map, whose keys are the names that a property by itself would have."""
    inner = {key: value for key, value in item.items() if key != "definitions"} | {"required": ["type", "title"]}
    return _page("properties", {"type": "object", "additionalProperties": inner}, item)


def _page(name: str, what: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    text = {"type": "string"}
    document = {
        "name": name,
        "properties": {name: what, "first": text, "next": text, "schema": text},
        "links": [
            {"rel": "first", "href": "{first}"},
            {"rel": "next", "href": "{next}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    }
    return document | ({"definitions": item["definitions"]} if "definitions" in item else {})


def _definitions() -> dict[str, Any]:
    fragment = {"type": "object", "properties": {"name": _text(), **_fragment()}, "required": ["title", "type"]}
    return _words() | {"property": {"type": "object", "additionalProperties": fragment}}


def _words() -> dict[str, Any]:
    return {
        "positiveInteger": {"type": "integer", "minimum": 0},
        "positiveIntegerDefault0": {"allOf": [{"$ref": "#/definitions/positiveInteger"}, {"default": 0}]},
        "stringArray": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    }


def _fragment() -> dict[str, Any]:
    """Describe what section 7.1 has of a property but for its name."""
    count, count_or_0 = ({"$ref": f"#/definitions/{name}"} for name in ("positiveInteger", "positiveIntegerDefault0"))
    return {
        "title": _text(),
        "description": _text(),
        "type": {"type": "string", "enum": TYPES},
        "default": {},
        "enum": {"type": "array"},
        "operators": _array({"type": "string"}),
        "minimum": {"type": "number"},
        "maximum": {"type": "number"},
        "minLength": count_or_0,
        "maxLength": count,
        "minItems": count_or_0,
        "maxItems": count,
        "pattern": {"type": "string", "format": "regex"},
        "items": {
            "type": "object",
            "properties": {"type": {"type": "string", "enum": TYPES}, "enum": {"type": "array"}},
        },
        "readonly": {"type": "boolean"},
        "required": {"$ref": "#/definitions/stringArray"},
        "uniqueItems": {"type": "boolean", "default": False},
        "additionalItems": {"type": "boolean"},
    }


def _times() -> dict[str, Any]:
    time = {"readOnly": True, "format": "date-time"}
    return {
        "created_at": _text("When it came, in UTC", **time),
        "updated_at": _text("When it last changed, in UTC", **time),
    }


def _links() -> dict[str, Any]:
    return {"self": {"type": "string", "readOnly": True}, "schema": {"type": "string", "readOnly": True}}


def _text(description: str = "", **rules: Any) -> dict[str, Any]:
    return {"type": "string", **({"description": description} if description else {}), **rules}


def _array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}
