"""The application: keys and routes put together from parts that are passed in."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from types import MappingProxyType
from uuid import UUID

import msgspec
from aiohttp import web

from drivers.protocol import ImageStore
from service import cors, keys
from service.addressing import accepted_minors
from service.auth import Authenticate, authenticator
from service.entrance import Gate, elsewhere, entrance, open_entrance
from service.limits.fixed import FixedLimits
from service.limits.protocol import LimitSource
from service.openapi.document import describe, documented
from service.openapi.page import read_page_files
from service.policy.engine import Policy
from service.protections import Protections
from service.request_id import request_id_source
from service.routes import ROUTES
from service.rules import Rules
from service.schemas import all_schemas, read_operator_schema
from service.settings import Settings
from service.tokens.protocol import TokenVerifier
from service.validation import ImageSchema


def utc_now() -> datetime:
    """Tell the time, in UTC."""
    return datetime.now(UTC)


def make_app(
    settings: Settings,
    store: ImageStore,
    verifier: TokenVerifier,
    policy: Policy,
    random: Random,
    *,
    protections: Protections | None = None,
    limits: LimitSource | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> web.Application:
    """Put the service together; whoever passes the parts in closes them."""
    app = web.Application(client_max_size=settings.body_limit)
    app[keys.SETTINGS] = settings
    app[keys.STORE] = store
    app[keys.POLICY] = policy
    app[keys.RULES] = Rules(policy, protections or Protections(), settings)
    app[keys.LIMITS] = limits or FixedLimits()
    app[keys.CLOCK] = clock
    app[keys.NEW_IMAGE_ID] = lambda: str(UUID(int=random.getrandbits(128), version=4))
    # The ids of requests are no secret, and `random` may be a system call; a generator of their own says nothing of it.
    app[keys.NEW_REQUEST_ID] = request_id_source(Random(random.getrandbits(128)))  # noqa: S311
    app[keys.DRAINING] = asyncio.Event()
    schemas = all_schemas(settings, read_operator_schema(settings.image_schema_file))
    app[keys.IMAGE_SCHEMA] = ImageSchema(schemas["image"])
    app[keys.SCHEMAS] = MappingProxyType({name: msgspec.json.encode(schema) for name, schema in schemas.items()})
    add_routes(app, settings, authenticator(settings, verifier))
    cors.setup(app, settings.cors_allowed_origins)
    app[keys.DOCUMENT] = msgspec.json.encode(describe(app))
    app[keys.PAGE_FILES] = read_page_files()
    return app


def add_routes(app: web.Application, settings: Settings, authenticate: Authenticate) -> None:
    """Register the table: the open routes once, the API's under every accepted version and, for `Accept`, under none.

    Documented are the open ones and those under `/v2`.
    """
    versions = ("v2", *accepted_minors(multi_store=settings.multi_store))
    gate = Gate(frozenset(versions), authenticate)
    add = app.router.add_route
    for route in ROUTES:
        if route.open:
            add(route.method, route.path, documented(route, open_entrance(route)))
            continue
        for version in versions:
            enter = entrance(route, version, gate)
            add(route.method, f"/{version}{route.path}", documented(route, enter) if version == "v2" else enter)
        if route.path:
            add(route.method, route.path, entrance(route, "", gate))
    open_segments = frozenset(route.path.split("/")[1] for route in ROUTES if route.open) - {""}
    add("*", "/{tail:.*}", elsewhere(gate, open_segments))
