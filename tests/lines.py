"""A line between a client and a service that breaks, stalls or damages what passes, at the byte a test names."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

# Small, so that a line breaks near the byte that was named.
PIECE = 1 << 16


class Line:
    """Passes connections on; those over which much comes down break after so many bytes, one number each.

    `breaks` are those numbers, after which the line holds; `passed` the bytes that came down over each connection.
    `down` and `up` are offsets of a byte to be flipped in each direction, in connections that get that far.
    """

    def __init__(self, target: str, breaks: Sequence[int], *, down: int = -1, up: int = -1, stalls: bool = False):
        self._target = target
        self._breaks = list(breaks)
        self._down, self._up, self._stalls = down, up, stalls
        self.passed: list[int] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on."""
        host, port = self._target.removeprefix("http://").split(":")
        theirs, theirs_writer = await asyncio.open_connection(host, int(port))
        rising = asyncio.create_task(self._pass(reader, theirs_writer, self._up))
        with suppress(ConnectionError, asyncio.CancelledError):
            await self._fall(theirs, writer)
        rising.cancel()
        await asyncio.gather(rising, return_exceptions=True)
        for each in (writer, theirs_writer):
            each.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flip: int) -> None:
        offset = 0
        while piece := await reader.read(PIECE):
            writer.write(_flipped(piece, flip - offset))
            await writer.drain()
            offset += len(piece)

    async def _fall(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, offset = len(self.passed), 0
        self.passed.append(0)
        while piece := await reader.read(PIECE):
            writer.write(_flipped(piece, self._down - offset))
            await writer.drain()
            offset += len(piece)
            self.passed[number] = offset
            if self._breaks and offset > self._breaks[0]:
                self._breaks.pop(0)
                if self._stalls:
                    await asyncio.sleep(3600)
                # What was written shall arrive before the line breaks.
                await asyncio.sleep(0.2)
                return


def _flipped(piece: bytes, place: int) -> bytes:
    if not 0 <= place < len(piece):
        return piece
    return piece[:place] + bytes([piece[place] ^ 1]) + piece[place + 1 :]


@asynccontextmanager
async def line(target: str, *breaks: int, down: int = -1, up: int = -1, stalls: bool = False) -> AsyncIterator[Line]:
    """Open a line to a service on loopback."""
    made = Line(target, breaks, down=down, up=up, stalls=stalls)
    listener = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        listener.close()
