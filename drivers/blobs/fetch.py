"""The one way in which the service fetches from URLs that users gave: guarded, bounded, whole or not at all."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from ssl import SSLContext

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from drivers.blobs.addresses import parse_networks
from drivers.blobs.fetched import BLOCK, Fetched, interruptions
from drivers.blobs.guard import GuardedResolver, check_literal, is_address, parse_url
from drivers.blobs.options import BlobOptions
from drivers.blobs.ranges import content_length, tells_its_end
from drivers.errors import BlobNotFound, FetchRefused, StoreUnavailable

REDIRECTS = 5
REDIRECTING = frozenset({301, 302, 303, 307, 308})
# What servers that do not like HEAD answer to it.
HEAD_REFUSED = frozenset({400, 403, 405, 501})
# Compressed on the way, bytes would have another length than announced, and no part could be asked for.
HEADERS: Mapping[str, str] = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "vitrine"}


def allow_all(url: URL) -> None:
    """Allow every URL that the guard lets pass."""


class Fetcher:
    """Fetches by HTTP. To be made where a loop runs; `options` tell the networks allowed and the seconds of patience.

    `allowed` is asked about the URL and about each target of a redirect, and raises FetchRefused for what the operator
    forbids. Names are resolved by `resolver`, once for each connection, and connections go to the addresses that were
    checked only. No proxy is used, no cookie kept, no connection used twice. `tls` is for hosts with an authority of
    their own; `pause` is the number of seconds before the first retry.
    """

    def __init__(
        self,
        options: BlobOptions,
        *,
        allowed: Callable[[URL], None] = allow_all,
        resolver: AbstractResolver | None = None,
        tls: SSLContext | None = None,
        pause: float = 0.5,
    ) -> None:
        self._timeout = options.timeout
        self._pause = pause
        self._allowed = allowed
        self._networks = parse_networks(options.allowed_networks)
        self._resolver = GuardedResolver(resolver or aiohttp.ThreadedResolver(), self._networks)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=self._resolver, use_dns_cache=False, force_close=True, limit=0, ssl=tls or True
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=BLOCK,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=options.timeout, sock_read=options.timeout),
        )

    async def check(self, url: str) -> None:
        """Raise FetchRefused unless the URL may be fetched, as far as can be told without connecting."""
        target = parse_url(url)
        self._admit(target)
        if not is_address(target.raw_host or ""):
            with interruptions():
                async with asyncio.timeout(self._timeout):
                    await self._resolver.resolve(target.raw_host or "", target.port or 0)

    async def open(self, url: str, *, headers: Mapping[str, str] | None = None) -> Fetched:
        """Ask for what is at the URL, and give it once the server has begun to answer.

        `headers` are sent to the URL's own scheme, host and port, and not to where a redirect leads beyond these. Raise
        FetchRefused, BlobNotFound, StoreUnavailable.
        """
        ask = partial(self._follow, "GET", parse_url(url), headers or {})
        response = await ask({})
        try:
            _expect_content(response)
        except BaseException:
            response.close()
            raise
        return Fetched(response, ask, timeout=self._timeout, pause=self._pause)

    async def size(self, url: str) -> int:
        """Tell how many bytes are at the URL. Raise as `open` does."""
        target = parse_url(url)
        response = await self._follow("HEAD", target, {}, {})
        response.close()
        if response.status in HEAD_REFUSED or content_length(response.headers) is None:
            response = await self._follow("GET", target, {}, {})
            response.close()
        _expect_content(response)
        length = content_length(response.headers)
        if length is None:
            raise StoreUnavailable("The URL's server does not tell the length of what it has.")
        return length

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def _follow(
        self, method: str, url: URL, private: Mapping[str, str], own: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        """Ask, and follow redirects, each of them checked; the answer's body is not read yet.

        `private` headers stay with the origin of the URL, `own` ones go everywhere.
        """
        for _ in range(REDIRECTS + 1):
            self._admit(url)
            response = await self._ask(method, url, {**HEADERS, **private, **own})
            if response.status not in REDIRECTING:
                return response
            response.close()
            target = _target(url, response.headers.get("Location", ""))
            private = private if target.origin() == url.origin() else {}
            url = target
        raise StoreUnavailable(f"The URL's server redirects more than {REDIRECTS} times.")

    async def _ask(self, method: str, url: URL, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        with interruptions():
            # The session's own limits are for each read: this one is for headers that come byte by byte.
            async with asyncio.timeout(self._timeout):
                return await self._session.request(method, url, headers=headers, allow_redirects=False)

    def _admit(self, url: URL) -> None:
        check_literal(url, self._networks)
        self._allowed(url)


def _target(url: URL, location: str) -> URL:
    """Tell where a redirect leads. Raise FetchRefused for what would be refused as a first URL, too."""
    try:
        return parse_url(str(url.join(URL(location))))
    except ValueError:
        raise FetchRefused("The URL's server redirects to a malformed URL.") from None


def _expect_content(response: aiohttp.ClientResponse) -> None:
    """Raise unless this is a whole answer, of which the end can be told from a broken connection."""
    if response.status in {404, 410}:
        raise BlobNotFound(f"The URL's server has nothing there ({response.status}).")
    if response.status != 200:
        raise StoreUnavailable(f"The URL's server answered {response.status}.")
    if not tells_its_end(response.headers):
        raise StoreUnavailable("The URL's server does not tell where its answer ends: half of it would pass for all.")
