"""Tokens verified by Keystone, with the service's own credentials, within a bounded time."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from service.caller import Caller
from service.settings import Secret
from service.tokens.flights import Flights
from service.tokens.keystone_wire import is_keystone_error, read_caller, read_login_expiry
from service.tokens.protocol import IdentityUnavailable
from service.tokens.text import could_be_token

# Keystone runs few workers: more questions at once only wait there instead of here.
CONNECTIONS = 32
# A token in a project with some hundred roles stays far below; the catalog is not asked for.
ANSWER_BYTES = 1 << 20

_LOGIN_HINTS = {
    401: "check VITRINE_KEYSTONE_USERNAME and VITRINE_KEYSTONE_PASSWORD, or the application credential",
    # Keystone answers so to an application credential it does not know.
    404: "check VITRINE_KEYSTONE_URL, or the application credential's id",
}
_VERIFY_HINTS = {
    401: "it does not accept the token it has just given to the service",
    403: "the service's own user needs the role `service` or `admin`",
    404: "this is not Keystone's own 404; check VITRINE_KEYSTONE_URL",
}


class _Answer(NamedTuple):
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes


class _Own(NamedTuple):
    token: Secret
    expires_at: float


class KeystoneVerifier:
    """Asks Keystone about each token (Identity API v3, `GET /v3/auth/tokens`); made within a running event loop.

    `url` is that of the tokens resource, `login` the request body that logs the service in, `timeout` the seconds
    one verification may take in all, logging in and repeating included. Whatever is not a clear yes or no within
    that time is IdentityUnavailable. A token Keystone calls valid although it has expired is refused, as
    keystonemiddleware refuses it. A token of an application credential with access rules is refused by Keystone
    itself, because we do not announce that we would enforce them (`OpenStack-Identity-Access-Rules`).
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

    async def verify(self, token: str, *, allow_expired: bool = False) -> Caller | None:
        """Ask Keystone; text that cannot be a token is None without asking.

        `allow_expired` reaches as far back as Keystone's `allow_expired_window`, two days unless configured.
        """
        if not could_be_token(token):
            return None
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._ask(token, allow_expired)
        # "from None": aiohttp's errors carry the request's headers, tokens and all.
        except TimeoutError:
            raise self._unavailable(f"did not answer within {self._timeout:g} s") from None
        except aiohttp.ClientError as error:
            raise self._unavailable(f"cannot be talked to: {type(error).__name__}") from None
        return self._judge(answer, allow_expired)

    async def close(self) -> None:
        """Close the connections to Keystone."""
        await self._logins.close()
        await self._session.close()

    async def _ask(self, token: str, allow_expired: bool) -> _Answer:
        own = await self._own_token()
        answer = await self._validate(own, token, allow_expired)
        if answer.status == 401:
            # Revoked, or Keystone's keys were rotated away: once more with a new one.
            own = await self._own_token(refused=own)
            answer = await self._validate(own, token, allow_expired)
        return answer

    async def _validate(self, own: Secret, token: str, allow_expired: bool) -> _Answer:
        params = {"nocatalog": "", "allow_expired": "1"} if allow_expired else {"nocatalog": ""}
        headers = {"X-Auth-Token": own.reveal(), "X-Subject-Token": token}
        return await self._send("GET", params=params, headers=headers)

    def _judge(self, answer: _Answer, allow_expired: bool) -> Caller | None:
        if answer.status == 404 and is_keystone_error(answer.body, 404):
            return None
        if answer.status != 200:
            raise self._unexpected(answer.status, _VERIFY_HINTS)
        caller = read_caller(answer.body)
        if caller is None:
            raise self._unavailable("answered 200 with something that is not a token")
        expired = caller.expires_at is not None and caller.expires_at.timestamp() <= self._wall()
        return None if expired and not allow_expired else caller

    async def _own_token(self, refused: Secret | None = None) -> Secret:
        own = self._own
        # It must last for one more verification.
        if own is None or own.token is refused or own.expires_at <= self._wall() + self._timeout:
            own = await self._logins.join(None, self._login)
        return own.token

    async def _login(self) -> _Own:
        # A flight of its own outlives the verification that began it, so it needs a bound of its own.
        async with asyncio.timeout(self._timeout):
            answer = await self._send("POST", params={"nocatalog": ""}, data=self._login_body.reveal())
        if answer.status != 201:
            raise self._unexpected(answer.status, _LOGIN_HINTS, to="the service's own login")
        token = answer.headers.get("X-Subject-Token", "")
        expires_at = read_login_expiry(answer.body)
        if expires_at is None or not could_be_token(token):
            raise self._unavailable("answered the service's own login with something that is not a token")
        self._own = _Own(Secret(token), expires_at.timestamp())
        return self._own

    async def _send(self, method: str, **options: Any) -> _Answer:
        # aiohttp repeats a GET once by itself when a kept-alive connection turns out to be dead.
        async with self._session.request(method, self._url, allow_redirects=False, **options) as response:
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > ANSWER_BYTES:
                    raise self._unavailable(f"answered with more than {ANSWER_BYTES} bytes")
            return _Answer(response.status, response.headers, bytes(body))

    def _unexpected(self, status: int, hints: dict[int, str], to: str = "a verification") -> IdentityUnavailable:
        hint = f": {hints[status]}" if status in hints else ""
        return self._unavailable(f"answered {status} to {to}{hint}")

    def _unavailable(self, what: str) -> IdentityUnavailable:
        return IdentityUnavailable(f"Keystone at {self._url.origin()} {what}.")
