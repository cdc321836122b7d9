"""The few requests that the client makes, and what a refusal of each means to the person who asked."""

import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

import msgspec
from aiohttp import ClientError, ClientResponse, ClientSession, ClientSSLError, ClientTimeout
from yarl import URL

OCTETS = {"Content-Type": "application/octet-stream"}
# Seconds without a byte: of an answer, and after an upload, when the service may still be copying.
SILENCE, COMMIT = 60.0, 900.0
TAGS = re.compile(r"<[^>]*>")
# Bytes of a refusal that are read; the rest is no message to people.
MOST = 1 << 16

REMEDIES: Mapping[int, str] = MappingProxyType(
    {
        401: "The token is missing, wrong or expired: get a new one, as by `openstack token issue`.",
        403: "The token's project or roles do not allow it.",
        404: "Look at the id and the URL; who may not see an image is told the same.",
        409: "The image is not in a state for it: look at its status.",
        413: "It is more than a quota allows.",
        503: "Try again in a while.",
    }
)


class TransferFailed(Exception):
    """What was asked for was not done; the text says why, and what to do."""


class Broken(TransferFailed):
    """The connection broke, or the service is away: another try may well succeed."""


class ImageApi:
    """A service, and the token with which it is asked."""

    def __init__(self, session: ClientSession, url: str) -> None:
        self._session = session
        self._images = URL(f"{url.rstrip('/').removesuffix('/v2')}/v2/images")

    async def create(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Create an image that waits for its data. Raises TransferFailed."""
        body = msgspec.json.encode(fields)
        async with self._asked("POST", self._images, data=body, headers={"Content-Type": "application/json"}) as answer:
            return await _image(answer)

    async def show(self, image_id: str) -> dict[str, Any]:
        """Read the record of an image. Raises TransferFailed."""
        async with self._asked("GET", self._images / image_id) as answer:
            return await _image(answer)

    async def put(self, image_id: str, data: AsyncIterator[bytes], size: int, store: str | None) -> None:
        """Send the data of an image, of so many bytes. Raises TransferFailed."""
        headers = OCTETS | {"Content-Length": str(size)} | ({"X-Image-Meta-Store": store} if store else {})
        timeout = ClientTimeout(total=None, sock_connect=SILENCE, sock_read=COMMIT)
        url = self._images / image_id / "file"
        async with self._asked("PUT", url, data=data, headers=headers, timeout=timeout):
            pass

    @asynccontextmanager
    async def data(self, image_id: str, headers: Mapping[str, str]) -> AsyncIterator[ClientResponse]:
        """Begin to read an image's data, or a range of it. Raises TransferFailed, also while it is read."""
        async with self._asked("GET", self._images / image_id / "file", headers=headers) as answer:
            yield answer

    @asynccontextmanager
    async def _asked(self, method: str, url: URL, **options: Any) -> AsyncIterator[ClientResponse]:
        try:
            # Another host is not sent the token, whatever the service says.
            async with self._session.request(method, url, allow_redirects=False, **options) as answer:
                if answer.status >= 300:
                    raise await _refusal(answer)
                yield answer
        except TimeoutError:
            raise Broken(f"{url.origin()} does not answer any more.") from None
        except (ClientError, ConnectionError) as error:
            raise Broken(f"The connection to {url.origin()} failed: {_reason(error)}.") from None


@asynccontextmanager
async def opened_api(url: str, token: str) -> AsyncIterator[ImageApi]:
    """Give the service at a URL."""
    # What a proxy packs would count other bytes than the ranges do.
    headers = {"X-Auth-Token": token, "Accept": "application/json", "Accept-Encoding": "identity"}
    timeout = ClientTimeout(total=None, sock_connect=SILENCE, sock_read=SILENCE)
    async with ClientSession(headers=headers, timeout=timeout, auto_decompress=False) as session:
        yield ImageApi(session, url)


def _reason(error: Exception) -> str:
    """Say it as the system does where it was the system; the library's words tell of its own settings as well."""
    if not isinstance(error, OSError) or isinstance(error, ClientSSLError) or not error.errno:
        return str(error)
    return os.strerror(error.errno) if error.errno > 0 else str(error.strerror)


async def _image(answer: ClientResponse) -> dict[str, Any]:
    try:
        image: Any = msgspec.json.decode(await answer.read())
    except msgspec.DecodeError:
        image = None
    if not isinstance(image, dict) or not isinstance(image.get("id"), str):
        raise TransferFailed(f"{answer.url.origin()} does not answer as an image service does: look at the URL.")
    return image


async def _refusal(answer: ClientResponse) -> TransferFailed:
    kind = Broken if answer.status in {502, 503, 504} else TransferFailed
    if answer.status < 400:
        there = answer.headers.get("Location", "elsewhere")
        return TransferFailed(f"{answer.url.origin()} redirects to {there}: use the URL of the image service itself.")
    told = _message(await answer.content.read(MOST)) or answer.reason or "no reason"
    sentence = told if told.endswith((".", "!", "?")) else f"{told}."
    return kind(f"The service refused with {answer.status}: {sentence} {REMEDIES.get(answer.status, '')}".rstrip())


def _message(body: bytes) -> str:
    try:
        text = str(msgspec.json.decode(body, type=dict[str, Any])["message"])
    except (msgspec.DecodeError, KeyError):
        text = body.decode(errors="replace")
    plain = " ".join(TAGS.sub(" ", text).split())
    return "".join(each for each in plain if each.isprintable())[:500]
