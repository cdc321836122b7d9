"""The listening socket and its limits; what cannot be parsed as HTTP is refused in the same shape as other errors."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import web
from aiohttp.web_protocol import _ErrInfo

from service.errors import TEXTS, answer_in_shape, error_response
from service.remainder import is_too_much, read_off
from service.settings import Settings

# Of a request's line and of each header, in bytes: room for the longest tokens in use and for long filters.
LINE_LIMIT = 32_768
# Peer, request line, status, bytes, seconds, request id: nothing of a token, whatever the request held.
LOG_FORMAT = '%a "%r" %s %b %Tf %{x-openstack-request-id}o'


class Connection(web.RequestHandler):
    """aiohttp's connection, but its own refusals quote nothing of the request, neither to the client nor to the log.

    A line that is too long may hold a token; the framework would repeat its beginning in both.
    """

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be parsed, so that no handler ever met it, and close."""
        text = f"The request is not valid HTTP, or a line of it is longer than {LINE_LIMIT} bytes."
        response = error_response(request, status, TEXTS[500] if status == 500 else text)
        response.force_close()
        return response

    def data_received(self, data: bytes) -> None:
        """Parse what came; where it cannot be parsed, let whoever reads the body that it spoils know of it."""
        super().data_received(data)
        request = self._current_request
        failed = request is not None and self._messages and isinstance(self._messages[-1][0], _ErrInfo)
        if request is not None and failed and not request.content.is_eof():
            request.content.set_exception(web.RequestPayloadError("The body cannot be parsed."))

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer, then read what is left of the body, but never as much as a client may send.

        Where the framework found no route to ask, or an `Expect` that means nothing, answer in our own words.
        """
        if isinstance(resp, web.HTTPException):
            # What is asked of `*` rather than of a path is asked of everything (reference section 8.6).
            resp = web.Response() if request.method == "OPTIONS" else answer_in_shape(request, resp)
        if is_too_much(request):
            resp.force_close()
        response, reset = await super().finish_response(request, resp, start_time)
        if not reset and not await read_off(request):
            self.force_close()
        return response, reset


@asynccontextmanager
async def listen(app: web.Application, settings: Settings) -> AsyncIterator[tuple[str, int]]:
    """Accept connections while the context lasts, and give the address; at its end running requests may finish."""
    loop = asyncio.get_running_loop()
    access_log = logging.getLogger("vitrine.access")
    access_log.setLevel(logging.INFO if settings.access_log else logging.WARNING)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=settings.drain_seconds)
    await runner.setup()
    if runner.server is None:
        raise RuntimeError("aiohttp's runner was set up but has no server")

    # aiohttp's own server makes plain RequestHandlers only; it still keeps account of these for the shutdown.
    connection = partial(
        Connection,
        runner.server,
        loop=loop,
        access_log=access_log,
        access_log_format=LOG_FORMAT,
        keepalive_timeout=settings.request_seconds,  # also for a request of which only a part came
        max_line_size=LINE_LIMIT,
        max_field_size=LINE_LIMIT,
    )
    server = await loop.create_server(connection, settings.host, settings.port, reuse_address=True)
    host, port = server.sockets[0].getsockname()[:2]
    try:
        yield host, port
    finally:
        server.close()
        await runner.cleanup()
