"""A key manager of a few lines, with Barbican's API, that misbehaves as a test tells it to."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.fake_keystone import Handler

ID = "6a1f5d3e-0000-4000-8000-000000000001"
SAME = "6a1f5d3e-0000-4000-8000-000000000002"
CERTIFICATE: Mapping[str, Any] = {"secret_type": "certificate", "content_types": {"default": "text/plain"}}


class FakeKeyManager:
    """Has one certificate by two ids, unless the test says otherwise, and notes who asked for what."""

    def __init__(self, certificate: str) -> None:
        self.certificate = certificate
        self.about: Any = CERTIFICATE
        self.on_secret: Handler = self._secret
        self.on_payload: Handler = self._payload
        self.asked: list[tuple[str, str]] = []
        app = web.Application()
        app.router.add_get("/v1/secrets/{id}", self._answer)
        app.router.add_get("/v1/secrets/{id}/payload", self._answer)
        self.server = TestServer(app)

    @property
    def url(self) -> str:
        """Give the URL for the settings."""
        return str(self.server.make_url("/"))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path, request.headers["X-Auth-Token"]))
        return await (self.on_payload if request.path.endswith("/payload") else self.on_secret)(request)

    async def _secret(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self.about) if request.match_info["id"] in {ID, SAME} else web.Response(status=404)

    async def _payload(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text=self.certificate, content_type=request.headers["Accept"])
