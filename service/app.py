"""The application: keys and routes put together from parts that are passed in."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from random import Random
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from drivers.metadefs.protocol import metadefs_of
from drivers.protocol import ImageStore
from service import cors, keys
from service.addressing import accepted_minors
from service.auth import Authenticate, authenticator
from service.cache.cache import open_cache
from service.cache.upkeep import keep_bounded, keep_fetching
from service.convert.converter import open_converter
from service.data.stores import Stores
from service.data.tools import make_tools
from service.dispatch import PromptRoutes
from service.entrance import Gate, elsewhere, entrance, open_entrance
from service.expectation import invite_later
from service.key_manager import KeyManager
from service.limits.fixed import FixedLimits
from service.limits.protocol import LimitSource
from service.metadefs.schemas import metadef_schemas
from service.openapi.documentation import Documentation
from service.openapi.page import find_page_files
from service.plain import PLAIN_SHOWS, PlainShows
from service.policy.engine import Policy
from service.protections import Protections
from service.request_id import request_id_source
from service.routes import METADEF_ROUTES, ROUTES, Route
from service.rules import Rules
from service.schemas import all_schemas, read_operator_schema
from service.settings import Settings
from service.showing import Showing
from service.timing import NO_ROUTE
from service.tokens.protocol import TokenVerifier
from service.validation import ImageSchema
from service.work.jobs import JOBS
from service.work.runner import Runner
from service.work.sweeper import keep_sweeping


def utc_now() -> datetime:
    """Tell the time, in UTC."""
    return datetime.now(UTC)


def make_app(
    settings: Settings,
    store: ImageStore,
    stores: Stores,
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
    app[keys.VERIFIER] = verifier
    app[keys.POLICY] = policy
    app[keys.RULES] = rules = Rules(policy, protections or Protections(), settings)
    app[keys.SHOWING] = Showing(store, stores, rules)
    app[keys.LIMITS] = limits = limits or FixedLimits()
    app[keys.CLOCK] = clock
    app[keys.NEW_IMAGE_ID] = new_id = lambda: str(UUID(int=random.getrandbits(128), version=4))
    # The ids of requests are no secret, and `random` may be a system call; a generator of their own says nothing of it.
    app[keys.NEW_REQUEST_ID] = request_id_source(Random(random.getrandbits(128)))  # noqa: S311
    app[keys.DRAINING] = asyncio.Event()
    parts = KeyManager(settings, verifier), clock, new_id, open_cache(settings, store), open_converter(settings)
    app[keys.TOOLS] = make_tools(settings, store, stores, limits, *parts)
    app.cleanup_ctx.append(background)
    schemas = all_schemas(settings, read_operator_schema(settings.image_schema_file))
    app[keys.IMAGE_SCHEMA] = ImageSchema(schemas["image"])
    app[keys.SCHEMAS] = encoded(schemas)
    add_routes(app, routes_on(app, store), authenticator(settings, verifier))
    cors.setup(app, settings.cors_allowed_origins)
    app[keys.PAGE_FILES] = find_page_files()
    return app


def encoded(schemas: Mapping[str, Any]) -> Mapping[str, bytes]:
    """Encode documents by name."""
    return MappingProxyType({name: msgspec.json.encode(schema) for name, schema in schemas.items()})


async def background(app: web.Application) -> AsyncIterator[None]:
    """Do what goes on behind the requests as long as the application runs."""
    tools = app[keys.TOOLS]
    work = [keep_sweeping(tools), Runner(tools, JOBS).keep_working()]
    if tools.cache is not None:
        work += [keep_fetching(tools, tools.cache), keep_bounded(tools, tools.cache)]
    tasks = [asyncio.create_task(each) for each in work]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if tools.cache is not None:
        await tools.cache.close()
    tools.threads.shutdown(wait=False)


def routes_on(app: web.Application, store: ImageStore) -> Sequence[Route]:
    """List the routes that a driver can serve; those of metadata definitions only where it keeps these."""
    metadefs = metadefs_of(store)
    if metadefs is None:
        return [route for route in ROUTES if route not in METADEF_ROUTES]
    app[keys.METADEFS] = metadefs
    app[keys.METADEF_SCHEMAS] = encoded(metadef_schemas())
    return ROUTES


def add_routes(app: web.Application, routes: Sequence[Route], authenticate: Authenticate) -> None:
    """Register the table: the open routes once, the API's under every accepted version and, for `Accept`, under none.

    Documented are the open ones and those under `/v2`. The ways past the framework's router are noted in the app.
    """
    versions = ("v2", *accepted_minors(app[keys.SETTINGS].features))
    gate = Gate(frozenset(versions), authenticate)
    app[keys.PROMPT_ROUTES] = prompt = PromptRoutes()
    app[keys.DOCUMENTATION] = documentation = Documentation(app)
    times = app[keys.TOOLS].metrics.requests
    app[PLAIN_SHOWS] = PlainShows(versions, app[keys.NEW_REQUEST_ID], authenticate, app[keys.SHOWING], times)

    def add(route: Route, path: str, handler: Handler) -> None:
        added = app.router.add_route(route.method, path, handler, expect_handler=invite_later)
        if route.prompt:
            prompt.add(added, path)

    for route in routes:
        if route.open:
            add(route, route.path, documentation.add(route, times.timed(route.name, open_entrance(route))))
            continue
        for version in versions:
            enter = times.timed(route.name, entrance(route, version, gate))
            add(route, f"/{version}{route.path}", documentation.add(route, enter) if version == "v2" else enter)
        if route.path:
            add(route, route.path, times.timed(route.name, entrance(route, "", gate)))
    open_segments = frozenset(route.path.split("/")[1] for route in routes if route.open) - {""}
    app.router.add_route("*", "/{tail:.*}", times.timed(NO_ROUTE, elsewhere(gate, open_segments)))
