"""The application: keys, middlewares and routes put together from parts that are passed in."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from random import Random
from types import MappingProxyType
from urllib.parse import unquote_to_bytes
from uuid import UUID

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from drivers.protocol import ImageStore
from service import keys
from service.addressing import accepted_minors
from service.auth import authenticate
from service.errors import answer_errors
from service.openapi.document import describe, documented
from service.openapi.page import read_page_files
from service.policy.engine import Policy
from service.protections import Protections
from service.refusals import BadRequest
from service.request_id import add_request_id, request_id_source
from service.routes import ROUTES, Route
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
    clock: Callable[[], datetime] = utc_now,
) -> web.Application:
    """Put the service together; whoever passes the parts in closes them."""
    versions = ("v2", *accepted_minors(multi_store=settings.multi_store))
    open_segments = frozenset(route.path.split("/")[1] for route in ROUTES if route.open)
    # Outermost first: a request meets these top to bottom, its answer bottom to top.
    app = web.Application(
        middlewares=[answer_errors, authenticate(settings, frozenset(versions), open_segments)],
        client_max_size=settings.body_limit,
    )
    app.on_response_prepare.append(add_request_id)
    app[keys.SETTINGS] = settings
    app[keys.STORE] = store
    app[keys.VERIFIER] = verifier
    app[keys.POLICY] = policy
    app[keys.RULES] = Rules(policy, protections or Protections(), settings)
    app[keys.CLOCK] = clock
    app[keys.NEW_IMAGE_ID] = lambda: str(UUID(int=random.getrandbits(128), version=4))
    # The ids of requests are no secret, and `random` may be a system call; a generator of their own says nothing of it.
    app[keys.NEW_REQUEST_ID] = request_id_source(Random(random.getrandbits(128)))  # noqa: S311
    app[keys.DRAINING] = asyncio.Event()
    schemas = all_schemas(settings, read_operator_schema(settings.image_schema_file))
    app[keys.IMAGE_SCHEMA] = ImageSchema(schemas["image"])
    app[keys.SCHEMAS] = MappingProxyType({name: msgspec.json.encode(schema) for name, schema in schemas.items()})
    # Under every accepted version, and under none for those who choose the version by `Accept`.
    add_routes(app, ("", *(f"/{version}" for version in versions)))
    app[keys.DOCUMENT] = msgspec.json.encode(describe(app))
    app[keys.PAGE_FILES] = read_page_files()
    return app


def add_routes(app: web.Application, prefixes: Sequence[str]) -> None:
    """Register the table; the API's own routes under each prefix, but documented only under `/v2`."""
    for route in ROUTES:
        for prefix in ("",) if route.open else prefixes:
            if prefix or route.path:
                handler = checked(route)
                if route.open or prefix == "/v2":
                    handler = documented(route, handler)
                app.router.add_route(route.method, prefix + route.path, handler)


def checked(route: Route) -> Handler:
    """Refuse what no handler should have to think about, before it and before policy (reference section 2)."""

    async def checking(request: web.Request) -> web.StreamResponse:
        if "%" in request.rel_url.raw_path:
            check_path(request.rel_url.raw_path)
        if not route.body and request.body_exists:
            raise BadRequest("A body is not expected with this request.")
        return await route.handler(request)

    return checking


def check_path(raw_path: str) -> None:
    """Raise BadRequest for a path that is no UTF-8 text, or holds a NUL, which no name of ours can."""
    try:
        path = unquote_to_bytes(raw_path).decode()
    except UnicodeDecodeError:
        raise BadRequest("The path is not valid UTF-8 where it is percent-encoded.") from None
    if "\0" in path:
        raise BadRequest("The path holds a NUL character (%00).")
