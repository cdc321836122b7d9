"""A web server whose answers a test writes byte by byte, and names that resolve to where the test says."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from ssl import SSLContext
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from drivers.blobs.fetch import Fetcher
from drivers.blobs.options import BlobOptions

Answer = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


LOOPBACK = BlobOptions(timeout=5, allowed_networks=("127.0.0.0/8", "::1/128"))


class ScriptedServer:
    """Answers each connection's one request by the next step of its script, the last step ever after.

    `requests` are the heads that came, as text.
    """

    def __init__(self, script: Iterable[bytes | Answer]) -> None:
        self.requests: list[str] = []
        self.port = 0
        self._script = list(script)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/image"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            step = self._script[min(len(self.requests), len(self._script) - 1)]
            self.requests.append(head)
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
                # The reader shall have taken what was sent before it learns that this was all.
                await asyncio.sleep(0.05)
            else:
                await step(head, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def scripted(*script: bytes | Answer, tls: SSLContext | None = None) -> AsyncIterator[ScriptedServer]:
    """Serve a script on loopback."""
    server = ScriptedServer(script)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await listener.wait_closed()


def answer(status: str, body: bytes = b"", **headers: str) -> bytes:
    """Spell an answer with these headers, underscores for hyphens, and the length of its body unless one is given."""
    fields = {"Content_Length": str(len(body)), **headers}
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items() if value]
    return f"HTTP/1.1 {status}\r\n{''.join(lines)}\r\n".encode() + body


def to(url: str, status: str = "302 Found") -> bytes:
    """Spell a redirect."""
    return answer(status, Location=url)


class Names(AbstractResolver):
    """Resolves names to what it was given, each time to the next of the lists, the last one ever after."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.asked: list[str] = []
        self._answers = {name.replace("_", "."): lists for name, lists in answers.items()}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        lists = self._answers.get(host)
        if lists is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        found = lists[min(self.asked.count(host), len(lists) - 1)]
        self.asked.append(host)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in found
        ]

    async def close(self) -> None:
        """See AbstractResolver."""


@asynccontextmanager
async def fetching(options: BlobOptions = LOOPBACK, **arguments: Any) -> AsyncIterator[Fetcher]:
    """Make a fetcher that loses no time before it tries again."""
    fetcher = Fetcher(options, **{"pause": 0, **arguments})
    try:
        yield fetcher
    finally:
        await fetcher.close()


async def fetch(fetcher: Fetcher, url: str) -> bytes:
    """Fetch all that is at a URL."""
    return b"".join([block async for block in (await fetcher.open(url)).blocks()])
