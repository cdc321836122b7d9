"""What a URL had when it was opened, read from anywhere and through broken connections, never mixed with another."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

import aiohttp

from drivers.blobs.ranges import content_length, content_range, tells_its_end, version_of
from drivers.blobs.resume import Interrupted, resumed
from drivers.errors import StoreUnavailable

BLOCK = 1 << 20
# Less than this within the time of patience is a server that only keeps the connection open.
LEAST = 64 << 10
CHANGED = "What is at the URL has changed since it was opened."

Ask = Callable[[Mapping[str, str]], Awaitable[aiohttp.ClientResponse]]


class Fetched:
    """A URL's content. `size` is None where the server does not tell it before the end.

    `response` is the answer to an unconditional request, not read yet, and `ask` sends one with further headers. A
    read of `timeout` seconds has to bring at least 64 KiB; the first retry comes after `pause` seconds.
    """

    def __init__(self, response: aiohttp.ClientResponse, ask: Ask, *, timeout: float, pause: float) -> None:
        self.size = content_length(response.headers)
        self._version = version_of(response.headers)
        self._unread: aiohttp.ClientResponse | None = response
        self._ask = ask
        self._timeout = timeout
        self._pause = pause

    async def blocks(self, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Read from `start` up to, and without, `end`, which is the end of all if not given; in blocks of about 1 MiB.

        Raise StoreUnavailable when not all of it can be read: when the connection breaks again and again, or what is
        there has changed, or nothing tells whether it has.
        """
        end = self.size if end is None else end
        if self.size is not None and end is not None and end > self.size:
            raise StoreUnavailable("What is asked for is beyond the end of what the URL has.")

        def read(position: int) -> AsyncGenerator[bytes, None]:
            return self._read(position, end, again=position > start)

        async for block in resumed(read, start, end, pause=self._pause):
            yield block

    async def close(self) -> None:
        """Close the connection, if one was opened and not read from."""
        if self._unread is not None:
            self._unread.close()

    async def _read(self, position: int, end: int | None, *, again: bool) -> AsyncGenerator[bytes, None]:
        response = await self._answer(position, end, again=again)
        # An answer to a request for a part may tell the size that the first one did not.
        end = self.size if end is None else end
        try:
            while position != end and (block := await self._block(response)):
                taken = block if end is None else block[: end - position]
                position += len(taken)
                yield taken
        finally:
            response.close()
        if end is not None and position != end:
            raise Interrupted("The URL's server sent less than it announced.")

    async def _answer(self, position: int, end: int | None, *, again: bool) -> aiohttp.ClientResponse:
        response, self._unread = self._unread, None
        if position == 0 and response is not None:
            return response
        if response is not None:
            response.close()
        if again and not self._version.condition:
            raise StoreUnavailable("The connection broke, and no ETag or date tells what the rest belongs to.")
        response = await self._ask(self._part(position, end))
        try:
            self._judge(response, position)
        except BaseException:
            response.close()
            raise
        return response

    def _part(self, position: int, end: int | None) -> Mapping[str, str]:
        if position == 0 and end == self.size:
            return {}
        last = "" if end is None else end - 1
        return {"Range": f"bytes={position}-{last}", **self._version.condition}

    def _judge(self, response: aiohttp.ClientResponse, position: int) -> None:
        """Raise unless the answer begins at `position` of the version that was opened."""
        status, part = response.status, content_range(response.headers) if response.status == 206 else None
        if status in {408, 429} or status >= 500:
            raise Interrupted(f"The URL's server answered {status}.")
        if status not in {200, 206, 412, 416}:
            raise StoreUnavailable(f"The URL's server answered {status}.")
        if status in {412, 416} or not self._version.is_of(response.headers):
            raise StoreUnavailable(CHANGED)
        if (status == 206 and part is None) or position != (part.first if part else 0):
            raise StoreUnavailable("The URL's server does not give the part that was asked for.")
        self._learn(part.total if part else content_length(response.headers), response.headers)

    def _learn(self, size: int | None, headers: Mapping[str, str]) -> None:
        if self.size is None and size is None and ("Content-Range" in headers or not tells_its_end(headers)):
            raise StoreUnavailable("The URL's server does not tell where its answer ends.")
        if None not in {self.size, size} and self.size != size:
            raise StoreUnavailable(CHANGED)
        self.size = size if self.size is None else self.size

    async def _block(self, response: aiohttp.ClientResponse) -> bytes:
        """Read about a block, less only at the end, when the server is slow, or before the connection breaks."""
        chunks: list[bytes] = []
        length = 0
        with interruptions():
            try:
                async with asyncio.timeout(self._timeout):
                    while length < BLOCK and (chunk := await response.content.readany()):
                        chunks.append(chunk)
                        length += len(chunk)
            except TimeoutError:
                if length < LEAST:
                    raise
            except (aiohttp.ClientError, OSError):
                # The next read raises it again.
                if not chunks:
                    raise
        return b"".join(chunks)


@contextmanager
def interruptions() -> Iterator[None]:
    """Raise Interrupted for what happens to connections, with a text that names the kind only, not the address."""
    try:
        yield
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise Interrupted(f"The URL's server is away, too slow, or broke off ({type(error).__name__}).") from error
