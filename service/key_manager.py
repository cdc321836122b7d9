"""Certificates in the cloud's key manager, which is Barbican (Key Manager API v1), read by the caller's own token."""

import asyncio

import aiohttp
import msgspec
from yarl import URL

from service.refusals import BadRequest
from service.settings import Secret, Settings
from service.tokens.keystone_wire import decode
from service.tokens.protocol import TokenVerifier

# Barbican itself keeps no longer secret unless it is told to.
ANSWER_BYTES = 20_000
PAYLOADS = frozenset({"text/plain", "application/octet-stream"})


class KeyManagerUnavailable(Exception):
    """The key manager did not answer, or not in time, or not sensibly: a 503, as nothing is kept unverified.

    The text says what to mend and holds no token.
    """


class _Secret(msgspec.Struct):
    kind: str = msgspec.field(name="secret_type")
    content_types: dict[str, str] | None = None


class KeyManager:
    """Asks the key manager of the settings, else the one in the caller's catalog; seldom, so by a new connection."""

    def __init__(self, settings: Settings, verifier: TokenVerifier) -> None:
        self._base = settings.key_manager_url
        self._timeout = settings.key_manager_timeout
        self._verifier = verifier

    async def certificate(self, certificate_id: str, token: Secret) -> str:
        """Read a certificate, as PEM if it is what it should be.

        Raises BadRequest when the caller has none of that id, KeyManagerUnavailable, IdentityUnavailable.
        """
        url = await self._secret_url(certificate_id, token)
        try:
            async with asyncio.timeout(self._timeout), _session(token) as session:
                about = decode(await _read(session, url, "application/json"), _Secret)
                if about is None:
                    raise _unavailable(url, "answered with something that describes no secret")
                return (await _read(session, url / "payload", _payload_type(about))).decode("latin-1")
        # "from None": aiohttp's errors carry the request's headers, the token among them.
        except TimeoutError:
            raise _unavailable(url, f"did not answer within {self._timeout:g} s") from None
        except aiohttp.ClientError as error:
            raise _unavailable(url, f"cannot be talked to: {type(error).__name__}") from None

    async def _secret_url(self, certificate_id: str, token: Secret) -> URL:
        base = self._base or await self._from_catalog(token)
        return URL(base.rstrip("/").removesuffix("/v1")) / "v1" / "secrets" / certificate_id

    async def _from_catalog(self, token: Secret) -> str:
        for endpoint in await self._verifier.endpoints(token.reveal(), "key-manager"):
            if endpoint.interface == "public":
                return endpoint.url
        raise BadRequest(
            "The image has a signature, and no key manager is known to verify it by: let the operator set "
            "VITRINE_KEY_MANAGER_URL or put one into the catalog, or remove the img_signature properties."
        )


def _session(token: Secret) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"X-Auth-Token": token.reveal(), "User-Agent": "vitrine"},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
    )


async def _read(session: aiohttp.ClientSession, url: URL, accept: str) -> bytes:
    async with session.get(url, headers={"Accept": accept}, allow_redirects=False) as response:
        if response.status == 404:
            raise BadRequest("The key manager has no certificate of the id in img_signature_certificate_uuid.")
        if response.status in {401, 403}:
            raise BadRequest("The key manager does not let the caller read the certificate of the image's signature.")
        if response.status != 200:
            raise _unavailable(url, f"answered {response.status}")
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > ANSWER_BYTES:
                raise BadRequest("What the key manager has for img_signature_certificate_uuid is no certificate.")
        return bytes(body)


def _payload_type(about: _Secret) -> str:
    """Tell the only type by which Barbican gives a certificate. Raises BadRequest for other secrets."""
    content_type = (about.content_types or {}).get("default", "")
    if about.kind != "certificate" or content_type not in PAYLOADS:
        raise BadRequest("What img_signature_certificate_uuid names is no secret of the type `certificate`, with data.")
    return content_type


def _unavailable(url: URL, what: str) -> KeyManagerUnavailable:
    return KeyManagerUnavailable(f"The key manager at {url.origin()} {what}: the image's signature cannot be verified.")
