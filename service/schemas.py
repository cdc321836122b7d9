"""The JSON schemas by which the API describes itself (reference section 2.12); clients build their models from them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import msgspec
from jsonschema import Draft7Validator
from jsonschema.exceptions import SchemaError

from drivers.records import MemberStatus, Status, Visibility
from service.settings import Settings, SettingsError

UUID = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"

LOCATION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "url": {"type": "string", "maxLength": 255},
        "metadata": {"type": "object"},
        "validation_data": {
            "type": "object",
            "description": "What the data must hash to; on an image that has hashes, the same ones.",
            "writeOnly": True,
            "properties": {
                "checksum": {"type": "string", "minLength": 32, "maxLength": 32},
                "os_hash_algo": {"type": "string", "maxLength": 64},
                "os_hash_value": {"type": "string", "maxLength": 128},
            },
            "required": ["os_hash_algo", "os_hash_value"],
            "additionalProperties": False,
        },
    },
    "required": ["url", "metadata"],
}


class OperatorSchema(msgspec.Struct, frozen=True):
    """What an operator's file adds to the schema of images: properties by name, and which must be there."""

    properties: dict[str, dict[str, Any]] = {}
    required: tuple[str, ...] = ()


def read_operator_schema(path: str | None) -> OperatorSchema:
    """Read the operator's file: `{"properties": {...}, "required": [...]}`, or the properties alone.

    Raises SettingsError naming the file and what is wrong, and for a property that is a field of every image.
    """
    if path is None:
        return OperatorSchema()
    try:
        document = msgspec.json.decode(Path(path).read_bytes(), type=dict[str, Any])
        whole = document if "properties" in document else {"properties": document}
        schema = msgspec.convert(whole, OperatorSchema)
        for field in schema.properties.values():
            Draft7Validator.check_schema(field)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, SchemaError) as error:
        raise SettingsError(f"{path} is no schema of image properties: {error}.") from None
    if taken := sorted(schema.properties.keys() & (_writable(Settings()) | _read_only()).keys()):
        raise SettingsError(f"{path} describes {', '.join(taken)}, which are fields of every image.")
    return schema


def all_schemas(settings: Settings, operator: OperatorSchema) -> dict[str, dict[str, Any]]:
    """Describe every resource, by its name in the URL."""
    image, member, task = image_schema(settings, operator), _member_schema(), _task_schema()
    return {
        "image": image,
        "images": _collection("images", image, pages=True),
        "member": member,
        "members": _collection("members", member),
        "task": task,
        "tasks": _collection("tasks", task),
    }


def image_schema(settings: Settings, operator: OperatorSchema) -> dict[str, Any]:
    """Describe an image, with the formats that the settings allow and the properties that the operator describes."""
    described = {name: {**field, "is_base": False} for name, field in operator.properties.items()}
    required = {"required": list(operator.required)} if operator.required else {}
    return {
        "name": "image",
        "properties": _writable(settings) | _read_only() | described,
        **required,
        "additionalProperties": {"type": "string"},
        "links": [
            {"rel": "self", "href": "{self}"},
            {"rel": "enclosure", "href": "{file}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    }


def _writable(settings: Settings) -> dict[str, Any]:
    return {
        "id": _text("The image's UUID", pattern=UUID),
        "name": _nullable("The image's name, not unique", maxLength=255),
        "visibility": _text("Who may see the image", enum=list(get_args(Visibility))),
        "protected": {"type": "boolean", "description": "Whether the image is safe from deletion"},
        "os_hidden": {"type": "boolean", "description": "Whether the image is left out of the default list"},
        "owner": _nullable("The project that owns the image", maxLength=255),
        "container_format": _format("The format around the disk", settings.container_formats),
        "disk_format": _format("The format of the disk", settings.disk_formats),
        "min_disk": {"type": "integer", "description": "GB of disk needed to boot the image"},
        "min_ram": {"type": "integer", "description": "MB of memory needed to boot the image"},
        "tags": {
            "type": "array",
            "description": "A set of words",
            "items": {"type": "string", "maxLength": 255},
        },
        "locations": {"type": "array", "description": "Everywhere the data is, in its stores", "items": LOCATION},
    }


def _read_only() -> dict[str, Any]:
    fields = {
        "status": _text("Where the image is in its life", enum=list(get_args(Status))),
        "checksum": _nullable("The MD5 of the data, in hex", maxLength=32),
        "os_hash_algo": _nullable("The algorithm of os_hash_value", maxLength=64),
        "os_hash_value": _nullable("The hash of the data, in hex", maxLength=128),
        "size": {"type": ["null", "integer"], "description": "Bytes of data"},
        "virtual_size": {"type": ["null", "integer"], "description": "Bytes of the disk that the data unfolds to"},
        "created_at": _text("When the image was registered, in UTC"),
        "updated_at": _text("When the image last changed, in UTC"),
        "direct_url": _text("Where the data is, in its store"),
        "stores": _text("The ids of the stores that hold the data, separated by commas"),
        "self": _text("The path of this image"),
        "file": _text("The path of the image's data"),
        "schema": _text("The path of this schema"),
    }
    return {name: field | {"readOnly": True} for name, field in fields.items()}


def _member_schema() -> dict[str, Any]:
    return {
        "name": "member",
        "properties": {
            "member_id": _text("The project that the image is shared with"),
            "image_id": _text("The image's UUID", pattern=UUID),
            "status": _text("What the project made of the offer", enum=list(get_args(MemberStatus))),
            "created_at": _text("When the image was shared, in UTC"),
            "updated_at": _text("When the membership last changed, in UTC"),
            "schema": {"type": "string", "readOnly": True},
        },
    }


def _task_schema() -> dict[str, Any]:
    statuses = ["pending", "processing", "success", "failure"]
    return {
        "name": "task",
        "properties": {
            "id": _text("The task's UUID", pattern=UUID),
            "type": _text("What the task does", enum=["import", "api_image_import", "location_import"]),
            "status": _text("How far it is", enum=statuses),
            "input": {"type": ["null", "object"], "description": "What it was asked"},
            "result": {"type": ["null", "object"], "description": "What came of it"},
            "owner": _text("The project that asked for it"),
            "message": _text("What there is to say, mostly of a failure"),
            "image_id": _nullable("The image it is about"),
            "request_id": _nullable("The request that asked for it"),
            "user_id": _nullable("The user who asked for it"),
            "expires_at": _nullable("When it may be forgotten, in UTC"),
            "created_at": _text("When it was asked for, in UTC"),
            "updated_at": _text("When it last changed, in UTC"),
            "self": {"type": "string", "readOnly": True},
            "schema": {"type": "string", "readOnly": True},
        },
    }


def _collection(name: str, item: dict[str, Any], *, pages: bool = False) -> dict[str, Any]:
    text = {"type": "string"}
    more = {"first": text, "next": text} if pages else {}
    links = [{"rel": rel, "href": f"{{{rel}}}"} for rel in more]
    return {
        "name": name,
        "properties": {name: {"type": "array", "items": item}, **more, "schema": text},
        "links": [*links, {"rel": "describedby", "href": "{schema}"}],
    }


def _text(description: str, **rules: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **rules}


def _nullable(description: str, **rules: Any) -> dict[str, Any]:
    return {"type": ["null", "string"], "description": description, **rules}


def _format(description: str, formats: Sequence[str]) -> dict[str, Any]:
    return _nullable(description, enum=[None, *formats])
