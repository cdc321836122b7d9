"""The rest of a long body, received past the framework's parser, which would copy each byte twice."""

import asyncio
from collections import deque
from typing import cast

from aiohttp import StreamReader, web
from aiohttp.http_parser import HttpRequestParser

BLOCK = 1 << 20
# Blocks that wait to be read; the kernel keeps what comes meanwhile, and in the end the client has to wait.
MOST = 2
NO_ROOM = memoryview(b"")


def pass_parser(request: web.Request) -> None:
    """Let the rest of the body come past the parser, if that is worth it: the request's content is a Rest then.

    To be called right after a read, with no wait between, as all that came is known then. Left to the parser is what is
    shorter than a block, encrypted, compressed, or of unknown length.
    """
    content, connection, transport = request.content, request.protocol, request.transport
    left = (request.content_length or 0) - content.total_bytes
    if left < BLOCK or transport is None or transport.get_extra_info("sslcontext"):
        return
    # Where it is past the parser already, or the parser or its reader still holds something.
    if transport.get_protocol() is not connection or content._size or connection._reading_paused:  # noqa: SLF001
        return
    # What is unfolded on its way does not tell how much is still to come.
    if content.total_compressed_bytes is not None:
        return
    rest = Rest(connection, content, left)
    request._payload = cast("StreamReader", rest)  # noqa: SLF001 - what `content` gives, and remembers
    request._cache.pop("content")  # noqa: SLF001
    transport.set_protocol(rest)


class Rest(asyncio.BufferedProtocol):
    """Stands in for a connection until so many bytes have come, and has of a StreamReader what is used of one here.

    It receives into a buffer of its own, never more than the rest; each block that is read is a copy of it.
    """

    def __init__(self, connection: web.RequestHandler, content: StreamReader, left: int) -> None:
        self.total_bytes = content.total_bytes
        self._connection = connection
        self._content = content
        self._left = left
        self._buffer = memoryview(bytearray(BLOCK))
        self._filled = 0
        self._blocks: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._failure: BaseException | None = None

    def is_eof(self) -> bool:
        """Tell whether all has come."""
        return not self._left

    def at_eof(self) -> bool:
        """Tell whether all has been read."""
        return not self._left and not self._blocks

    async def readany(self) -> bytes:
        """Give the next block; nothing if something came, but is no block yet. Raises ConnectionError."""
        if not self._blocks and self._left and self._failure is None:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self._failure is not None:
            raise self._failure
        if not self._blocks:
            return b""
        block, transport = self._blocks.popleft(), self._connection.transport
        if self._left and transport is not None:
            transport.resume_reading()
        return block

    def set_exception(self, failure: BaseException, _cause: BaseException | None = None) -> None:
        """Let whoever reads know that nothing more comes."""
        self._failure = failure
        self._wake()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Give room for what comes next, but not for what follows the body."""
        return self._buffer[self._filled : self._filled + self._left]

    def buffer_updated(self, nbytes: int) -> None:
        """Count what came; make a block of what fills the buffer, or is the last."""
        self._filled += nbytes
        self._left -= nbytes
        self.total_bytes += nbytes
        if self._filled == BLOCK or not self._left:
            self._blocks.append(bytes(self._buffer[: self._filled]))
            self._filled = 0
        if not self._left:
            self._step_back()
        elif len(self._blocks) >= MOST and self._connection.transport is not None:
            self._connection.transport.pause_reading()
        self._wake()

    def pause_writing(self) -> None:
        """Tell the connection."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """Tell the connection."""
        self._connection.resume_writing()

    def eof_received(self) -> None:
        """Close the connection, as half a body is none."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the connection, which tells the request, which tells this."""
        self._blocks.clear()
        self._buffer = NO_ROOM
        self._connection.connection_lost(exc)

    def _step_back(self) -> None:
        """Let the connection go on behind the body, with a parser that has not seen the head in front of it."""
        connection = self._connection
        # A connection that idles remembers its last request.
        self._buffer = NO_ROOM
        self._content.feed_eof()
        connection._parser = HttpRequestParser(  # noqa: SLF001 - made as the framework makes it
            connection,
            asyncio.get_running_loop(),
            connection._read_bufsize,  # noqa: SLF001
            max_line_size=connection.max_line_size,
            max_headers=connection.max_headers,
            max_field_size=connection.max_field_size,
            payload_exception=web.RequestPayloadError,
            max_msg_queue_size=connection._max_msg_queue_size,  # noqa: SLF001
        )
        if connection.transport is not None:
            connection.transport.set_protocol(connection)
            connection.transport.resume_reading()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
