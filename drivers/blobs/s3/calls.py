"""The calls of S3 that obstore does not offer: uploads in parts that grow, are conditional, listed and aborted."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import aiohttp
from yarl import URL

from drivers.blobs.resume import RETRIES, Interrupted
from drivers.blobs.s3.faults import UploadGone, fault
from drivers.blobs.s3.keys import FindKeys
from drivers.blobs.s3.parts import Part
from drivers.blobs.s3.place import Place
from drivers.blobs.s3.sigv4 import EMPTY, UNSIGNED, Call, signed
from drivers.errors import BlobExists, BlobNotFound

# Bytes a second below which sending a part is given up.
SLOWEST = 256 << 10
# Completing an upload of many parts takes S3 minutes.
COMPLETING = 10
NAMESPACE = re.compile(rb' xmlns="[^"]*"')


class Upload(NamedTuple):
    """An unfinished multipart upload, as S3 lists it."""

    name: str
    id: str
    begun: datetime


class Answer(NamedTuple):
    """What S3 answered with a status of success."""

    headers: Mapping[str, str]
    body: bytes


class S3Calls:
    """Signed requests to one bucket; to be made where a loop runs.

    Raise the contract's errors. What may pass is tried again after `pause` seconds, then twice as many each time, until
    `timeout` seconds are over, more for large bodies.
    """

    def __init__(
        self,
        place: Place,
        keys: FindKeys,
        timeout: float,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: float = 0.2,
    ) -> None:
        self._place = place
        self._keys = keys
        self._timeout = timeout
        self._clock = clock
        self._pause = pause
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=timeout),
        )

    def name(self, key: str) -> str:
        """Give an object's name in the bucket."""
        return self._place.name(key)

    async def put(self, key: str, part: Part) -> None:
        """Write an object unless there is one. Raise BlobExists."""
        try:
            await self._call("PUT", self._place.path(key), {}, part, {"If-None-Match": "*"})
        except BlobExists:
            # A try that seemed to fail may have been ours.
            if await self.tag(key) != hashlib.md5(b"".join(part), usedforsecurity=False).hexdigest():
                raise

    async def begin(self, key: str) -> str:
        """Begin an upload, and give its id."""
        answer = await self._call("POST", self._place.path(key), {"uploads": ""})
        return _text(_xml(answer.body), "UploadId")

    async def put_part(self, key: str, upload: str, number: int, part: Part) -> str:
        """Send a part, numbered from 1, and give its tag."""
        query = {"partNumber": str(number), "uploadId": upload}
        answer = await self._call("PUT", self._place.path(key), query, part)
        return answer.headers.get("ETag", "")

    async def complete(self, key: str, upload: str, tags: Sequence[str]) -> None:
        """Make the parts an object. Raise BlobExists."""
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(tag)}</ETag></Part>"
            for number, tag in enumerate(tags, 1)
        )
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        try:
            # Ceph 16 lets this condition pass unread: see the election in S3Writer.
            condition = {"If-None-Match": "*"}
            await self._call("POST", self._place.path(key), {"uploadId": upload}, [body], condition, COMPLETING)
        except (BlobExists, UploadGone):
            if await self.tag(key) != _joint_tag(tags):
                raise

    async def abort(self, key: str, upload: str) -> None:
        """End an upload, and free what was sent; one that is gone is passed over."""
        try:
            await self._call("DELETE", self._place.path(key), {"uploadId": upload})
        except UploadGone:
            return

    async def uploads(self, prefix: str) -> AsyncIterator[Upload]:
        """List the unfinished uploads of objects whose name in the bucket begins so."""
        marker: dict[str, str] = {}
        while True:
            answer = await self._call("GET", f"/{self._place.bucket}", {"uploads": "", "prefix": prefix, **marker})
            page = _xml(answer.body)
            for each in page.findall("Upload"):
                begun = datetime.fromisoformat(_text(each, "Initiated"))
                yield Upload(_text(each, "Key"), _text(each, "UploadId"), begun)
            if _text(page, "IsTruncated") != "true":
                return
            marker = {
                "key-marker": _text(page, "NextKeyMarker"),
                "upload-id-marker": _text(page, "NextUploadIdMarker"),
            }

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def tag(self, key: str) -> str | None:
        """Tell the tag of an object, without quotes; None when there is none."""
        try:
            answer = await self._call("HEAD", self._place.path(key), {})
        except BlobNotFound:
            return None
        return answer.headers.get("ETag", "").strip('"')

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        part: Part = (),
        headers: Mapping[str, str] | None = None,
        patience: int = 1,
    ) -> Answer:
        host = self._place.endpoint.partition("://")[2]
        call = Call(method, host, path, query, headers or {}, await self._digest(part))
        limit = self._timeout * patience + sum(map(len, part)) / SLOWEST
        deadline = asyncio.get_running_loop().time() + limit
        for attempt in range(RETRIES):
            try:
                return await self._once(call, part, limit)
            except Interrupted:
                if asyncio.get_running_loop().time() >= deadline:
                    raise
            await asyncio.sleep(self._pause * 2**attempt)
        return await self._once(call, part, limit)

    async def _digest(self, part: Part) -> str:
        if self._place.endpoint.startswith("https:"):
            return UNSIGNED
        return await asyncio.to_thread(_sha256, part) if part else EMPTY

    async def _once(self, call: Call, part: Part, limit: float) -> Answer:
        headers = signed(call, await self._keys(), self._place.region, self._clock())
        url = URL(f"{self._place.endpoint}{call.path}?{call.query_string}".rstrip("?"), encoded=True)
        headers["content-length"] = str(sum(map(len, part)))
        with _interruptions():
            async with (
                asyncio.timeout(limit),
                self._session.request(
                    call.method, url, headers=headers, data=_stream(part) if part else None, allow_redirects=False
                ) as response,
            ):
                answer = await response.read()
        # A complete may fail after its status was sent (AWS documents it so).
        if response.status >= 300 or b"<Error>" in answer[:1024]:
            raise fault(response.status if response.status >= 300 else 500, answer)
        return Answer(response.headers, answer)


async def _stream(part: Part) -> AsyncIterator[bytes]:
    for block in part:
        yield block


@contextmanager
def _interruptions() -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise Interrupted(f"The S3 server does not answer, or too slowly ({type(error).__name__}).") from error


def _sha256(part: Part) -> str:
    digest = hashlib.sha256()
    for block in part:
        digest.update(block)
    return digest.hexdigest()


def _joint_tag(tags: Sequence[str]) -> str:
    """Tell the tag of an object put together from parts: the MD5 of their MD5s, and their number."""
    try:
        joined = b"".join(bytes.fromhex(tag.strip('"')) for tag in tags)
    except ValueError:
        return ""
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(tags)}"


def _xml(body: bytes) -> ET.Element:
    return ET.fromstring(NAMESPACE.sub(b"", body))  # noqa: S314 - from the operator's own server


def _text(element: ET.Element, name: str) -> str:
    return element.findtext(name) or ""
