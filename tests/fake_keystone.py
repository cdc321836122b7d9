"""A Keystone of a few lines that misbehaves as a test tells it to."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

NOW = 1_900_000_000.0
OWN_TOKEN = "s3cret-own-token"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def stamp(seconds: float) -> str:
    """Write the time so many seconds after NOW as Keystone does."""
    return datetime.fromtimestamp(NOW + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z")


def token_body(**changes: Any) -> dict[str, Any]:
    """Describe a valid token, with other fields, or without those that are None."""
    domain = {"id": "default", "name": "Default"}
    token = {
        "user": {"id": "u", "name": "user", "domain": domain},
        "project": {"id": "p", "name": "project", "domain": domain},
        "roles": [{"id": "1", "name": "member"}],
        "expires_at": stamp(3600),
    }
    return {"token": {name: value for name, value in (token | changes).items() if value is not None}}


async def good_login(_request: web.Request) -> web.StreamResponse:
    """Give the service its own token."""
    return web.json_response(token_body(), status=201, headers={"X-Subject-Token": OWN_TOKEN})


async def good_validation(_request: web.Request) -> web.StreamResponse:
    """Call the token valid."""
    return web.json_response(token_body())


class FakeKeystone:
    """Answers logins, validations and all other questions as the test says, and notes what was asked."""

    def __init__(self) -> None:
        self.on_login: Handler = good_login
        self.on_validate: Handler = good_validation
        self.on_ask: Handler = answering(404)
        self.logins = 0
        self.validations: list[str] = []
        self.asked: list[str] = []
        app = web.Application()
        app.router.add_post("/v3/auth/tokens", self._login)
        app.router.add_get("/v3/auth/tokens", self._validate)
        app.router.add_get("/v3/{resource:.+}", self._ask)
        self.server = TestServer(app)

    async def _login(self, request: web.Request) -> web.StreamResponse:
        self.logins += 1
        return await self.on_login(request)

    async def _validate(self, request: web.Request) -> web.StreamResponse:
        self.validations.append(request.query_string)
        return await self.on_validate(request)

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path_qs.removeprefix("/v3/"))
        return await self.on_ask(request)


def answering(status: int, **options: Any) -> Handler:
    """Make a handler that always answers so; the options are those of `web.Response`."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, **options)

    return answer


async def hang(_request: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.sleep(60)
    return web.Response()


async def trickle(request: web.Request) -> web.StreamResponse:
    """Answer a space every 10 ms, for ever."""
    response = web.StreamResponse(status=201 if request.method == "POST" else 200)
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.01)


async def flood(request: web.Request) -> web.StreamResponse:
    """Answer spaces as fast as they are taken, for ever."""
    response = web.StreamResponse(status=201 if request.method == "POST" else 200)
    await response.prepare(request)
    while True:
        await response.write(b" " * 65536)


async def hang_up(request: web.Request) -> web.StreamResponse:
    """Close the connection instead of answering."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def speak_smtp(request: web.Request) -> web.StreamResponse:
    """Answer as a mail server does."""
    assert isinstance(request.transport, asyncio.Transport)
    request.transport.write(b"220 mail.example.org ESMTP\r\n")
    await asyncio.sleep(60)
    return web.Response()


async def break_off(request: web.Request) -> web.StreamResponse:
    """Close the connection within the answer."""
    response = web.StreamResponse(status=201 if request.method == "POST" else 200, headers={"Content-Length": "99"})
    await response.prepare(request)
    await response.write(b'{"token":')
    return await hang_up(request)


def lying(body: object) -> Handler:
    """Make a handler that answers so with a success of the right kind."""
    return lying_bytes(json.dumps(body).encode())


def lying_bytes(body: bytes) -> Handler:
    """Do as `lying` does, with any body."""

    async def lie(request: web.Request) -> web.StreamResponse:
        status = 201 if request.method == "POST" else 200
        headers = {"X-Subject-Token": OWN_TOKEN, "Content-Type": "application/json"}
        return web.Response(body=body, status=status, headers=headers)

    return lie
