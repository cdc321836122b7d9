"""The service on its own connection class, and clients that write bytes: what no HTTP library would send."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from aiohttp import web

from drivers.memory import MemoryStore
from service.app import make_app
from service.connection import listen
from service.data.stores import opened_stores
from service.policy.engine import load_policy
from service.settings import Secret, Settings
from tests.callers import people

PATIENCE = 10


class Wire:
    """One connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *parts: str | bytes) -> None:
        """Send bytes; a lost connection shows when something is read."""
        try:
            self.writer.write(b"".join(part.encode() if isinstance(part, str) else part for part in parts))
            await self.writer.drain()
        except ConnectionError:
            pass

    async def answer(self, *, head: bool = False) -> tuple[int, dict[str, str], bytes]:
        """Read one answer: its status, its headers in lower case, its body."""
        async with asyncio.timeout(PATIENCE):
            text = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            line, *lines = text.strip().split("\r\n")
            headers = {name.lower(): value for name, value in (each.split(": ", 1) for each in lines)}
            length = 0 if head else int(headers.get("content-length", "0"))
            return int(line.split()[1]), headers, await self.reader.readexactly(length)

    async def is_invited(self) -> bool:
        """Tell whether what comes first asks for the body."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"

    async def rest(self) -> bytes:
        """Read until the service closes."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""


class Service:
    """The application as it listens."""

    def __init__(self, app: web.Application, host: str, port: int) -> None:
        self.app = app
        self.address = host, port

    @asynccontextmanager
    async def wire(self, receive_buffer: int | None = None) -> AsyncIterator[Wire]:
        """Connect; a small receive buffer makes a client that soon takes nothing."""
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, self.address)
        reader, writer = await asyncio.open_connection(sock=sock, limit=1 << 16)
        try:
            yield Wire(reader, writer)
        finally:
            writer.transport.abort()

    async def call(self, method: str, path: str, body: object = None, name: str = "ann") -> tuple[int, Any]:
        """Make one ordinary call on a connection of its own; give the status, and the body where it is JSON."""
        raw = b"" if body is None else json.dumps(body).encode()
        async with self.wire() as wire:
            await wire.send(request(method, path, f"Content-Length: {len(raw)}", "Connection: close", name=name), raw)
            status, headers, answer = await wire.answer()
            return status, json.loads(answer) if "json" in headers.get("content-type", "") else answer

    async def created(self, **fields: object) -> str:
        """Create an image that waits for its data; give its path."""
        status, image = await self.call(
            "POST", "/v2/images", {"disk_format": "raw", "container_format": "bare"} | fields
        )
        assert status == 201
        return f"/v2/images/{image['id']}"

    async def uploaded(self, data: bytes) -> str:
        """Create an image with data; give the path of the data."""
        path = await self.created()
        async with self.wire() as wire:
            await wire.send(upload(path, f"Content-Length: {len(data)}"), data)
            assert (await wire.answer())[0] == 204
        return f"{path}/file"

    async def status(self, path: str) -> str:
        """Tell where an image is in its life."""
        return str((await self.call("GET", path.removesuffix("/file")))[1]["status"])


def request(method: str, path: str, *headers: str, name: str = "ann", version: str = "1.1") -> str:
    """Write the head of a request."""
    lines = f"{method} {path} HTTP/{version}", "Host: vitrine", f"X-Auth-Token: token-of-{name}", *headers
    return "\r\n".join([*lines, "", ""])


def upload(path: str, *headers: str, **fields: str) -> str:
    """Write the head of an upload."""
    return request("PUT", f"{path}/file", "Content-Type: application/octet-stream", *headers, **fields)


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[Service]:
    """Serve with records in memory."""
    defaults: dict[str, Any] = {"stores": Secret("memory://"), "port": 0, "drain_seconds": 0.1}
    chosen = Settings(**defaults | settings)
    async with opened_stores(chosen) as stores:
        app = make_app(chosen, MemoryStore(), stores, people(), load_policy(None), Random(1))
        async with listen(app, chosen) as (host, port):
            yield Service(app, host, port)
