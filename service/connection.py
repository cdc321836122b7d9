"""The listening socket and its limits; what cannot be parsed as HTTP is refused in the same shape as other errors."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from functools import partial
from types import coroutine
from typing import Any, cast

from aiohttp import hdrs, web
from aiohttp.http import RawRequestMessage, StreamWriter
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.typedefs import Handler
from aiohttp.web_protocol import _ErrInfo

from service.errors import TEXTS, answer_in_shape, error_response
from service.keys import PROMPT_ROUTES
from service.plain import PLAIN_SHOWS, Ask
from service.remainder import is_too_much, read_off
from service.settings import Settings

# Of a request's line and of each header, in bytes: room for the longest tokens in use and for long filters.
LINE_LIMIT = 32_768
# Peer, request line, status, bytes, seconds, request id: nothing of a token, whatever the request held.
LOG_FORMAT = '%a "%r" %s %b %Tf %{x-openstack-request-id}o'

Answering = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connection(web.RequestHandler):
    """aiohttp's connection, but it answers prompt routes at once, and its own refusals quote nothing of the request.

    A prompt request that comes alone to an idle connection starts where it was read; only when it has to wait does it
    become a task. The framework's own way, two tasks that wake each other, is there for everything else.

    A line that is too long may hold a token; the framework would repeat its beginning to the client and in the log.
    """

    __slots__ = ("_app", "_plain", "_prompt", "_under_way")

    def __init__(self, app: web.Application, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._app = app
        self._plain = app[PLAIN_SHOWS]
        self._prompt = app[PROMPT_ROUTES]
        self._under_way: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        """Read messages; wake the framework's task for those that are not for a prompt route."""
        sleeper = self._waiter
        if sleeper is None or sleeper.done():
            super().data_received(data)
            self._spoil_body()
            return
        self._waiter = None  # or else the framework would wake its task now
        try:
            super().data_received(data)
        finally:
            self._waiter = sleeper
        if self._messages and self._under_way is None and not self._begin_prompt():
            sleeper.set_result(None)

    def _spoil_body(self) -> None:
        """Let whoever reads a body know of what came and cannot be parsed."""
        request = self._current_request
        failed = request is not None and self._messages and isinstance(self._messages[-1][0], _ErrInfo)
        if request is not None and failed and not request.content.is_eof():
            request.content.set_exception(web.RequestPayloadError("The body cannot be parsed."))

    def _begin_prompt(self) -> bool:
        """Begin to answer the only message that waits, if that is for a prompt route; tell whether it was."""
        message, payload = self._messages[0]
        if len(self._messages) > 1 or not isinstance(message, RawRequestMessage) or self._upgraded:
            return False
        if payload is not EMPTY_PAYLOAD or (answer := self._prompt_answer(message)) is None:
            return False
        self._messages.popleft()
        self._note_message()
        try:
            awaited = answer.send(None)
        except StopIteration:
            return True
        self._under_way = self._loop.create_task(resumed(answer, awaited))
        self._under_way.add_done_callback(self._end_prompt)
        return True

    def _prompt_answer(self, message: RawRequestMessage) -> Coroutine[Any, Any, None] | None:
        # Who wants a line in the log for every request wants a request to write it from.
        ask = None if self._logging_enabled else self._plain.ask(message)
        if ask is not None:
            return self._answer_plainly(message, ask)
        match = self._prompt.find(message.method, message.url.raw_path)
        if match is None or hdrs.EXPECT in message.headers:
            return None
        return self._answer(message, match)

    async def _answer_plainly(self, message: RawRequestMessage, ask: Ask) -> None:
        """Send the answer as it is; what is refused becomes a request of the framework's after all."""
        self._request_in_progress = True  # so that a stop waits
        try:
            answer = await self._plain.answer(ask)
        except Exception as error:  # noqa: BLE001 - whatever it is, the outermost net answers it
            match = self._prompt.find(message.method, message.path)
            if match is not None and self._manager is not None:  # else the client is gone
                await self._answer(message, match, self._plain.refusing(ask, error))
            return
        finally:
            self._end_progress()
        if self.transport is None or self.transport.is_closing():
            self.force_close()
            return
        self.transport.write(answer)
        if self._paused:
            await self._drain_helper()
        self._end_answer(stays=True)

    async def _answer(
        self, message: RawRequestMessage, match: web.UrlMappingMatchInfo, handler: Handler | None = None
    ) -> None:
        """Do for one request what the framework's task does."""
        start = self._loop.time() if self._logging_enabled else None
        request = self._accept(message)
        match.add_app(self._app)
        match.freeze()
        request._match_info = match  # noqa: SLF001 - as the framework's own dispatch does
        try:
            response, gone = await self._handle_request(request, start, cast("Answering", handler or match.handler))
        except ConnectionError:
            self.force_close()
            return
        self._end_answer(stays=not gone and bool(response.keep_alive))

    def _accept(self, message: RawRequestMessage) -> web.Request:
        manager, task = self._manager, self._task_handler
        if manager is None or task is None:
            raise ConnectionResetError("The connection was lost before its message was looked at.")
        writer = StreamWriter(self, self._loop)
        return cast("web.Request", manager.request_factory(message, EMPTY_PAYLOAD, self, writer, task))

    def _note_message(self) -> None:
        if self._parser is not None and self._manager is not None:
            self._parser.message_consumed()
            self._manager.requests_count += 1

    def _end_progress(self) -> None:
        self._request_in_progress = False
        if self._handler_waiter is not None and not self._handler_waiter.done():
            self._handler_waiter.set_result(None)

    def _end_answer(self, *, stays: bool) -> None:
        if stays and not self._close:
            self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        else:
            self.force_close()

    def _process_keepalive(self) -> None:
        # The framework knows nothing of a prompt request under way, and would take the connection for idle.
        if self._under_way is not None:
            self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        super()._process_keepalive()

    def _end_prompt(self, task: "asyncio.Task[None]") -> None:
        # A client on a core of its own sends the next request before this is called, as a rule.
        self._under_way = None
        if not task.cancelled() and task.exception() is not None:
            self.log_exception("Unhandled exception", exc_info=task.exception())
            self.force_close()
        elif self._messages and self._waiter is not None and not self._waiter.done() and not self._begin_prompt():
            self._waiter.set_result(None)

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


@coroutine
def resumed(started: Coroutine[Any, Any, None], awaited: Any) -> Generator[Any, None, None]:
    """Go on, as a task, with a coroutine that was started outside of any and waits for `awaited`."""
    while True:
        try:
            yield awaited
        except BaseException as error:  # noqa: BLE001 - what the task throws is for the coroutine
            go_on = partial(started.throw, error)
        else:
            go_on = partial(started.send, None)
        try:
            awaited = go_on()
        except StopIteration:
            return


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
        app,
        runner.server,
        loop=loop,
        access_log=access_log,
        access_log_format=LOG_FORMAT,
        keepalive_timeout=settings.request_seconds,  # also for a request of which only a part came
        max_line_size=LINE_LIMIT,
        max_field_size=LINE_LIMIT,
    )
    server = await loop.create_server(
        connection, settings.host, settings.port, reuse_address=True, reuse_port=settings.workers > 1
    )
    host, port = server.sockets[0].getsockname()[:2]
    try:
        yield host, port
    finally:
        server.close()
        await runner.cleanup()
