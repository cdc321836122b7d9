"""JSON bodies: read whole, bounded, and refused in words a person can use (reference section 8.7)."""

from collections.abc import Iterator
from typing import Any

import msgspec
from aiohttp import web

from service.refusals import BadRequest

MALFORMED = "Malformed JSON in request body."


async def read_json(request: web.Request) -> Any:
    """Read the body as JSON, whatever type it claims to be.

    Raises BadRequest for an empty body, one that is no JSON in UTF-8, or one that holds U+0000, which storage cannot
    keep; the framework raises 413 for one over the limit of the settings.
    """
    raw = await request.read()
    if not raw:
        raise BadRequest("Body expected in request.")
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest(MALFORMED) from None
    if b"\\u0000" in raw and any("\0" in text for text in _texts(value)):
        raise BadRequest("The body holds the character U+0000, which no field can keep.")
    return value


async def read_object(request: web.Request) -> dict[str, Any]:
    """Read the body as a JSON object; raises BadRequest for anything else."""
    value = await read_json(request)
    if not isinstance(value, dict):
        raise BadRequest("The body is not a JSON object.")
    return value


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for key, item in value.items():
                yield key
                yield from _texts(item)
        case list():
            for item in value:
                yield from _texts(item)
