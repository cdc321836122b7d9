"""Answers in JSON, whole before their first byte is sent."""

from collections.abc import Mapping

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import SERVER_SOFTWARE, HttpVersion11

# The framework's own, in C: it refuses a line break in a header.
from aiohttp.http_writer import _serialize_headers

JSON = "application/json"


class JsonAnswer(web.Response):
    """A whole answer in JSON, sent in one piece; signals of `on_response_prepare` do not see it.

    The framework's way to the same bytes costs as much as all the rest of a bare handler, because it also serves
    cookies, compression and bodies of unknown length. It is still taken where anything is out of the ordinary: HEAD,
    HTTP/1.0, a connection that is to be closed.
    """

    def __init__(self, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(body=body, status=status, headers=headers, content_type=JSON)
        self._whole = body

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send everything; raises ConnectionResetError when the client is gone."""
        if self._eof_sent or not self._is_ordinary(request):
            return await super().prepare(request)
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("The client has closed the connection.")
        message = self._head() + self._whole
        transport.write(message)
        self._keep_alive = self._eof_sent = True
        self._body_length = len(message)
        await request.writer.drain()
        return None

    def _is_ordinary(self, request: web.BaseRequest) -> bool:
        return (
            request.keep_alive
            and self._keep_alive is None
            and request.version == HttpVersion11
            and request.method != hdrs.METH_HEAD
            and hdrs.ORIGIN not in request.headers  # a page of another origin, to whom more has to be said
            and not self._cookies
            and not self._compression
        )

    def _head(self) -> bytes:
        headers = self._headers
        headers[hdrs.CONTENT_LENGTH] = str(len(self._whole))
        headers[hdrs.DATE] = rfc822_formatted_time()
        headers[hdrs.SERVER] = SERVER_SOFTWARE
        return _serialize_headers(f"HTTP/1.1 {self._status} {self._reason}", headers)
