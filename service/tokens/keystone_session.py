"""The service's own session with Keystone: logged in with its credentials, and every failure told in one way."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, NamedTuple

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from service.settings import Secret
from service.tokens.flights import Flights
from service.tokens.keystone_wire import read_login_expiry
from service.tokens.protocol import IdentityUnavailable
from service.tokens.text import could_be_token

# Keystone runs few workers: more questions at once only wait there instead of here.
CONNECTIONS = 32
# A token in a project with some hundred roles stays far below; the catalog is not asked for.
ANSWER_BYTES = 1 << 20

_LOGIN_HINTS = {
    401: (
        "check VITRINE_KEYSTONE_USERNAME and VITRINE_KEYSTONE_PASSWORD, or the application credential, and that the "
        "user has a role on the project, and for limits `reader` on the system"
    ),
    # Keystone answers so to an application credential it does not know.
    404: "check VITRINE_KEYSTONE_URL, or the application credential's id",
}
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Answer(NamedTuple):
    """What Keystone said."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes


class _Own(NamedTuple):
    token: Secret
    expires_at: float


class KeystoneSession:
    """Asks Keystone in the service's name (Identity API v3); made within a running event loop.

    `url` is that of version 3, `login` the request body that logs the service in, `timeout` the seconds that all
    within one `bounded` may take, logging in and repeating included.
    """

    def __init__(self, url: URL, login: Secret, *, timeout: float, wall: Callable[[], float] = time.time) -> None:
        self._url = url
        self._login_body = login
        self._timeout = timeout
        self._wall = wall
        self._own: _Own | None = None
        self._logins: Flights[None, _Own] = Flights()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept": "application/json", "Content-Type": "application/json", "User-Agent": "vitrine"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        )

    @asynccontextmanager
    async def bounded(self) -> AsyncIterator[None]:
        """Raise IdentityUnavailable when what is done within takes too long, or cannot reach Keystone."""
        try:
            async with asyncio.timeout(self._timeout):
                yield
        # "from None": aiohttp's errors carry the request's headers, tokens and all.
        except TimeoutError:
            raise self.unavailable(f"did not answer within {self._timeout:g} s") from None
        except aiohttp.ClientError as error:
            raise self.unavailable(f"cannot be talked to: {type(error).__name__}") from None

    async def get(self, path: str, params: Mapping[str, str], headers: Mapping[str, str] = _NO_HEADERS) -> Answer:
        """Ask for a resource; to be called within `bounded`. Raises IdentityUnavailable when no login succeeds."""
        own = await self._own_token()
        answer = await self._get(own, path, params, headers)
        if answer.status == 401:
            # Revoked, or Keystone's keys were rotated away: once more with a new one.
            own = await self._own_token(refused=own)
            answer = await self._get(own, path, params, headers)
        return answer

    async def close(self) -> None:
        """Close the connections to Keystone."""
        await self._logins.close()
        await self._session.close()

    def unexpected(self, status: int, hints: Mapping[int, str], to: str) -> IdentityUnavailable:
        """Make the error that says a status came which should not, and what to mend where that is known."""
        hint = f": {hints[status]}" if status in hints else ""
        return self.unavailable(f"answered {status} to {to}{hint}")

    def unavailable(self, what: str) -> IdentityUnavailable:
        """Make the error that says what Keystone did; only the origin of its URL is shown."""
        return IdentityUnavailable(f"Keystone at {self._url.origin()} {what}.")

    async def _get(self, own: Secret, path: str, params: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        return await self._send("GET", path, params=params, headers={**headers, "X-Auth-Token": own.reveal()})

    async def _own_token(self, refused: Secret | None = None) -> Secret:
        own = self._own
        # It must last for one more question.
        if own is None or own.token is refused or own.expires_at <= self._wall() + self._timeout:
            own = await self._logins.join(None, self._login)
        return own.token

    async def _login(self) -> _Own:
        # A flight of its own outlives the question that began it, so it needs a bound of its own.
        async with asyncio.timeout(self._timeout):
            body = self._login_body.reveal()
            answer = await self._send("POST", "auth/tokens", params={"nocatalog": ""}, data=body)
        if answer.status != 201:
            raise self.unexpected(answer.status, _LOGIN_HINTS, to="the service's own login")
        token = answer.headers.get("X-Subject-Token", "")
        expires_at = read_login_expiry(answer.body)
        if expires_at is None or not could_be_token(token):
            raise self.unavailable("answered the service's own login with something that is not a token")
        self._own = _Own(Secret(token), expires_at.timestamp())
        return self._own

    async def _send(self, method: str, path: str, **options: Any) -> Answer:
        # aiohttp repeats a GET once by itself when a kept-alive connection turns out to be dead.
        async with self._session.request(method, self._url / path, allow_redirects=False, **options) as response:
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > ANSWER_BYTES:
                    raise self.unavailable(f"answered with more than {ANSWER_BYTES} bytes")
            return Answer(response.status, response.headers, bytes(body))
