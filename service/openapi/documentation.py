"""The OpenAPI document of an application as its handlers have it: made when somebody first asks."""

from functools import cached_property

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from service.route import Route


class Documentation:
    """Which handler of an application serves which documented route, and the document of them all."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._routes: list[tuple[Route, Handler]] = []

    def add(self, route: Route, handler: Handler) -> Handler:
        """Note that the handler, which is given back, is what the documentation of the route is about."""
        self._routes.append((route, handler))
        return handler

    @cached_property
    def document(self) -> bytes:
        """The document in JSON; takes a tenth of a second the first time."""
        # What makes it costs each worker 9 MiB, and few people of a cloud ever read the document.
        from service.openapi.document import describe  # noqa: PLC0415

        return msgspec.json.encode(describe(self._app, self._routes))
