"""What this service can do, for clients that ask before they try (reference section 2.9)."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from service.keys import SETTINGS
from service.wire import json_response


class ImportMethods(msgspec.Struct, frozen=True):
    """The ways to import data, as the description of an array."""

    value: Annotated[list[str], Meta(description="The names of the methods.")]
    type: str = "array"
    description: str = "Import methods available."


class ImportInfo(msgspec.Struct, frozen=True):
    """What is known of imports."""

    import_methods: ImportMethods = msgspec.field(name="import-methods")


class UsageOf(msgspec.Struct, frozen=True):
    """How much of a limit is used."""

    usage: int
    limit: int


class UsageInfo(msgspec.Struct, frozen=True):
    """The caller's usage by the name of the limit; empty unless limits come from Keystone."""

    usage: dict[str, UsageOf]


class StoresInfo(msgspec.Struct, frozen=True):
    """The stores that data may be put in."""

    stores: list[dict[str, str]]


async def imports(request: web.Request) -> web.Response:
    """List the import methods; there are none yet."""
    return json_response(ImportInfo(ImportMethods([])))


async def stores(request: web.Request) -> web.Response:
    """List the stores; none are configured yet. 404 where there is only one, without a name."""
    if not request.app[SETTINGS].multi_store:
        raise web.HTTPNotFound
    return json_response(StoresInfo([]))
