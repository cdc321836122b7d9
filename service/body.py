"""JSON bodies: read whole, bounded, and refused in words a person can use (reference section 8.7)."""

import asyncio
from typing import Any

import msgspec
from aiohttp import web

from service.expectation import invite
from service.keys import SETTINGS
from service.refusals import BadRequest, TimedOut

MALFORMED = "Malformed JSON in request body."
DEPTH_LIMIT = 32


async def read_json(request: web.Request) -> Any:
    """Read the body as JSON, whatever type it claims to be.

    Raises BadRequest for an empty body, one that is no JSON in UTF-8, or one that holds U+0000, which storage cannot
    keep; TimedOut for one that does not arrive in time; the framework raises 413 for one over the limit of the
    settings.
    """
    await invite(request)
    seconds = request.app[SETTINGS].request_seconds
    try:
        async with asyncio.timeout(seconds):
            raw = await request.read()
    except web.RequestPayloadError:
        raise BadRequest("The body cannot be read: its encoding is not what its headers say.") from None
    except TimeoutError:
        raise TimedOut(f"The body did not arrive within {seconds:g} seconds.") from None
    if not raw:
        raise BadRequest("Body expected in request.")
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest(MALFORMED) from None
    _check(value)
    return value


async def read_object(request: web.Request) -> dict[str, Any]:
    """Read the body as a JSON object; raises BadRequest for anything else."""
    value = await read_json(request)
    if not isinstance(value, dict):
        raise BadRequest("The body is not a JSON object.")
    return value


def _check(document: Any) -> None:
    """Refuse what is nested deeper than any field is, and U+0000; step by step, as recursion would have its own end."""
    parts = [(document, 0)]
    while parts:
        part, depth = parts.pop()
        if depth > DEPTH_LIMIT:
            raise BadRequest(f"The body is nested deeper than {DEPTH_LIMIT} levels.")
        match part:
            case str() if "\0" in part:
                raise BadRequest("The body holds the character U+0000, which no field can keep.")
            case dict():
                parts += [(each, depth + 1) for pair in part.items() for each in pair]
            case list():
                parts += [(each, depth + 1) for each in part]
