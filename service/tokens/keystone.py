"""Tokens verified by Keystone, with the service's own credentials, within a bounded time."""

import time
from collections.abc import Callable, Sequence

from service.caller import Caller
from service.tokens.keystone_session import Answer, KeystoneSession
from service.tokens.keystone_wire import is_keystone_error, read_caller, read_endpoints
from service.tokens.protocol import Endpoint
from service.tokens.text import could_be_token

_HINTS = {
    401: "it does not accept the token it has just given to the service",
    403: "the service's own user needs the role `service` or `admin`",
    404: "this is not Keystone's own 404; check VITRINE_KEYSTONE_URL",
}


class KeystoneVerifier:
    """Asks Keystone about each token (Identity API v3, `GET /v3/auth/tokens`).

    Whatever is not a clear yes or no within the session's time is IdentityUnavailable. A token Keystone calls valid
    although it has expired is refused, as keystonemiddleware refuses it. A token of an application credential with
    access rules is refused by Keystone itself, because we do not announce that we would enforce them
    (`OpenStack-Identity-Access-Rules`).
    """

    def __init__(self, session: KeystoneSession, *, wall: Callable[[], float] = time.time) -> None:
        self._session = session
        self._wall = wall

    async def verify(self, token: str, *, allow_expired: bool = False) -> Caller | None:
        """Ask Keystone; text that cannot be a token is None without asking.

        `allow_expired` reaches as far back as Keystone's `allow_expired_window`, two days unless configured.
        """
        if not could_be_token(token):
            return None
        params = {"nocatalog": "", "allow_expired": "1"} if allow_expired else {"nocatalog": ""}
        async with self._session.bounded():
            answer = await self._session.get("auth/tokens", params, {"X-Subject-Token": token})
        return self._judge(answer, allow_expired)

    async def endpoints(self, token: str, kind: str) -> Sequence[Endpoint]:
        """Ask Keystone for the token with its catalog; none for a token that is not valid any more."""
        async with self._session.bounded():
            answer = await self._session.get("auth/tokens", {}, {"X-Subject-Token": token})
        if answer.status == 404:
            return ()
        endpoints = read_endpoints(answer.body, kind) if answer.status == 200 else None
        if endpoints is None:
            raise self._session.unexpected(answer.status, _HINTS, "the question for a token's catalog")
        return endpoints

    async def close(self) -> None:
        """Close the session."""
        await self._session.close()

    def _judge(self, answer: Answer, allow_expired: bool) -> Caller | None:
        if answer.status == 404 and is_keystone_error(answer.body, 404):
            return None
        if answer.status != 200:
            raise self._session.unexpected(answer.status, _HINTS, "a verification")
        caller = read_caller(answer.body)
        if caller is None:
            raise self._session.unavailable("answered 200 with something that is not a token")
        expired = caller.expires_at is not None and caller.expires_at.timestamp() <= self._wall()
        return None if expired and not allow_expired else caller
