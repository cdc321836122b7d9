"""Plain requests for one image, answered from the message itself, with none of the framework's objects in between."""

import re
from collections.abc import Callable, Collection
from functools import partial

from aiohttp import hdrs, web
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import SERVER_SOFTWARE, HttpVersion11, RawRequestMessage
from aiohttp.typedefs import Handler
from multidict import CIMultiDictProxy

from service.addressing import MEDIA_TYPE
from service.answer import JSON
from service.auth import Authenticate
from service.caller import Caller
from service.errors import answer_to
from service.keys import CALLER
from service.request_id import NAME, REQUEST_ID, request_id_for
from service.showing import Said, Showing
from service.timing import RequestTimes

SHOW = (hdrs.METH_GET, "/v2/images/{image_id}")


class Ask:
    """A plain request on its way: what was sent, and what the steps have found out so far."""

    __slots__ = ("caller", "headers", "image_id", "request_id", "start")

    def __init__(self, headers: CIMultiDictProxy[str], image_id: str, request_id: str, start: float) -> None:
        self.headers = headers
        self.image_id = image_id
        self.request_id = request_id
        self.start = start
        self.caller: Caller | None = None


class PlainShows:
    """The steps of a show for requests that ask for nothing but the image; what is refused is for the framework.

    The request, match, answer and writer that the framework makes cost as much as all that a show does.
    """

    def __init__(
        self,
        versions: Collection[str],
        new_request_id: Callable[[], str],
        authenticate: Authenticate,
        showing: Showing,
        times: RequestTimes,
    ) -> None:
        names = "|".join(map(re.escape, versions))
        self._path = re.compile(rf"/(?:{names})/images/([0-9A-Za-z-]{{1,36}})")
        self._new_request_id = new_request_id
        self._authenticate = authenticate
        self._showing = showing
        self._times = times

    def ask(self, message: RawRequestMessage) -> Ask | None:
        """Take a message without a body as a plain request; None when anything about it is out of the ordinary."""
        if message.method != hdrs.METH_GET or message.version != HttpVersion11 or message.should_close:
            return None
        path = self._path.fullmatch(message.path)
        headers = message.headers
        if path is None or _is_special(headers):
            return None
        return Ask(headers, path[1], request_id_for(headers, self._new_request_id), self._times.clock())

    async def answer(self, ask: Ask) -> bytes:
        """Give the whole message of the answer; raises whatever the ordinary steps raise."""
        ask.caller = await self._authenticate(ask.headers)
        message = _message(await self._showing.show(ask.caller, ask.image_id), ask.request_id)
        self._times.note(SHOW, 200, ask.start)
        return message

    def refusing(self, ask: Ask, error: Exception) -> Handler:
        """Make the handler that answers what the steps raised, as the ordinary entrance would."""
        return partial(self._refuse, ask, error)

    async def _refuse(self, ask: Ask, error: Exception, request: web.Request) -> web.StreamResponse:
        request[REQUEST_ID] = ask.request_id
        response = answer_to(request, error)
        if ask.caller is not None:
            request[CALLER] = ask.caller
            response.headers[NAME] = ask.request_id
        self._times.note(SHOW, response.status, ask.start)
        return response


def _is_special(headers: CIMultiDictProxy[str]) -> bool:
    """Tell whether more is wanted than to see the image, or in another way."""
    if hdrs.EXPECT in headers or hdrs.IF_NONE_MATCH in headers or hdrs.ORIGIN in headers:
        return True
    return headers.get(hdrs.ACCEPT, "").startswith(MEDIA_TYPE)


def _message(said: Said, request_id: str) -> bytes:
    # Nothing here is a client's own words but the id, and that holds no line break.
    head = (
        f"HTTP/1.1 200 OK\r\nETag: {said.tag}\r\nContent-Type: {JSON}\r\n{NAME}: {request_id}\r\n"
        f"Content-Length: {len(said.body)}\r\nDate: {rfc822_formatted_time()}\r\nServer: {SERVER_SOFTWARE}\r\n\r\n"
    )
    return head.encode("ascii") + said.body


PLAIN_SHOWS: web.AppKey[PlainShows] = web.AppKey("PLAIN_SHOWS", PlainShows)
