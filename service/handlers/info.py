"""What this service can do, for clients that ask before they try (reference section 2.9)."""

from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from drivers.usage import Limits, Usage
from service.data.stores import DataStore, Stores
from service.keys import CALLER, LIMITS, POLICY, SETTINGS, STORE, TOOLS
from service.limits.unified import UNIFIED_LIMITS, UnifiedLimit
from service.policy.gates import require_collection
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

    usage: Annotated[int, Meta(description="Used now; sizes in MiB, rounded down.")]
    limit: Annotated[int, Meta(description="The most that may be used; -1 means any.")]


class UsageInfo(msgspec.Struct, frozen=True):
    """The caller's usage by the name of the limit; empty unless limits come from Keystone."""

    usage: dict[str, UsageOf]


class StoresInfo(msgspec.Struct, frozen=True):
    """The stores that data may be put in."""

    stores: list[dict[str, Any]]


async def imports(request: web.Request) -> web.Response:
    """List the import methods."""
    return json_response(ImportInfo(ImportMethods(list(request.app[SETTINGS].enabled_import_methods))))


async def stores(request: web.Request) -> web.Response:
    """List the stores; 404 where there is only one, without a name."""
    return json_response(StoresInfo([_brief(request, store) for store in _named_stores(request)]))


async def stores_detail(request: web.Request) -> web.Response:
    """List the stores with their configuration; 404 as for the plain list."""
    named = _named_stores(request)
    require_collection(request.app[POLICY], "stores_info_detail", request[CALLER], {})
    return json_response(StoresInfo([_brief(request, store) | _detail(store) for store in named]))


def _named_stores(request: web.Request) -> Stores:
    stores = request.app[TOOLS].stores
    if not stores.multi:
        raise web.HTTPNotFound
    return stores


def _brief(request: web.Request, store: DataStore) -> dict[str, Any]:
    """Tell a store's name; what is true of it stands there as text, and what is not is left out."""
    told = {"id": store.id, "description": store.description}
    told |= {"default": "true" if store is request.app[TOOLS].stores.default else None}
    told |= {"read-only": "true" if store.blobs.read_only else None}
    return {name: value for name, value in told.items() if value is not None}


def _detail(store: DataStore) -> dict[str, Any]:
    return {"type": store.blobs.type, "weight": store.weight, "properties": store.blobs.properties}


async def usage(request: web.Request) -> web.Response:
    """Tell what the caller's project uses of its unified limits."""
    project_id = request[CALLER].project_id
    if project_id is None or not request.app[SETTINGS].use_keystone_limits:
        return json_response(UsageInfo({}))
    limits = await request.app[LIMITS].limits(project_id)
    held = await request.app[STORE].usage(project_id)
    return json_response(UsageInfo({each.name: _usage_of(each, held, limits) for each in UNIFIED_LIMITS}))


def _usage_of(limit: UnifiedLimit, held: Usage, limits: Limits) -> UsageOf:
    return UsageOf(getattr(held, limit.field) // limit.unit, getattr(limits, limit.field) // limit.unit)
