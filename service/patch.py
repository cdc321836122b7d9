"""JSON patches in the two dialects of the API, turned into a list of changes (reference section 5)."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import msgspec
from aiohttp import web

from service.image_names import check_length, refuse_fixed, refuse_read_only, refuse_reserved
from service.refusals import BadRequest, UnsupportedMediaType
from service.validation import ImageSchema

Dialect = Literal["draft 4", "draft 10"]
Verb = Literal["add", "replace", "remove"]

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        "application/openstack-images-v2.0-json-patch": "draft 4",
        "application/openstack-images-v2.1-json-patch": "draft 10",
    }
)
VERBS: tuple[Verb, ...] = ("add", "replace", "remove")
BAD_TILDE = re.compile("~(?![01])")
EMPTY_PART = re.compile(r"/\s*/|/$")


class Change(msgspec.Struct, frozen=True):
    """One operation: what to do to which field or property; `position` is the part after `/locations/`."""

    verb: Verb
    name: str
    value: Any = None
    position: str | None = None


def dialect_of(request: web.Request) -> Dialect:
    """Tell the dialect by the Content-Type; raises UnsupportedMediaType naming both."""
    dialect = DIALECTS.get(request.content_type)
    if dialect is None:
        raise UnsupportedMediaType(", ".join(DIALECTS), "Accept-Patch")
    return dialect


def parse_patch(document: Any, dialect: Dialect, schema: ImageSchema) -> list[Change]:
    """Read a patch, each operation checked whole before the next (reference section 5.2 step 2).

    Raises BadRequest for what is no patch or carries a value that the schema refuses, Forbidden for a name that
    callers never set.
    """
    if not isinstance(document, list):
        raise BadRequest("The body is not a JSON array of operations.")
    return [_parse_operation(operation, number, dialect, schema) for number, operation in enumerate(document, start=1)]


def _parse_operation(operation: Any, number: int, dialect: Dialect, schema: ImageSchema) -> Change:
    where = f"Operation {number}"
    if not isinstance(operation, dict):
        raise BadRequest(f"{where} is not a JSON object.")
    verb, pointer = _draft_10(operation, where) if dialect == "draft 10" else _draft_4(operation, where)
    segments = parse_pointer(pointer, where)
    _check_depth(verb, segments, where)
    if verb != "remove" and "value" not in operation:
        raise BadRequest(f"{where} has no 'value'.")
    name = segments[0]
    refuse_fixed(name)
    refuse_read_only(name)
    refuse_reserved(name)
    change = Change(verb, name, operation.get("value"), *segments[1:])
    if verb != "remove":
        _check_value(change, schema)
    return change


def _draft_10(operation: dict[str, Any], where: str) -> tuple[Verb, Any]:
    for verb in VERBS:
        if operation.get("op") == verb:
            return verb, operation.get("path")
    raise BadRequest(f"{where} has an 'op' that is none of {', '.join(VERBS)}.")


def _draft_4(operation: dict[str, Any], where: str) -> tuple[Verb, Any]:
    named = [verb for verb in VERBS if verb in operation]
    if len(named) != 1:
        raise BadRequest(f"{where} does not have exactly one member named {', '.join(VERBS)}.")
    return named[0], operation[named[0]]


def parse_pointer(pointer: Any, where: str) -> list[str]:
    """Split a JSON pointer (RFC 6901) into its decoded segments, blanks around each taken off (section 5.3)."""
    if not isinstance(pointer, str) or not pointer.startswith("/"):
        raise BadRequest(f"{where} has a path that does not start with '/'.")
    if EMPTY_PART.search(pointer[1:]):
        raise BadRequest(f"{where} has a path with an empty part.")
    # Glance takes one slash more at the start for none.
    segments = [segment.strip() for segment in pointer.lstrip("/").split("/")]
    if any(BAD_TILDE.search(segment) for segment in segments):
        raise BadRequest(f"{where} has a path with '~' that is not '~0' or '~1'.")
    return [segment.replace("~1", "/").replace("~0", "~") for segment in segments]


def _check_depth(verb: Verb, segments: list[str], where: str) -> None:
    expected = 2 if segments[0] == "locations" and verb != "replace" else 1
    if len(segments) != expected:
        raise BadRequest(f"{where} has a path of {len(segments)} parts where {expected} is right.")


def _check_value(change: Change, schema: ImageSchema) -> None:
    one_location = change.name == "locations" and change.position is not None
    schema.check_field(change.name, [change.value] if one_location else change.value)
    check_length(change.name)
