"""The guard before every request to a URL that users gave: what it may look like, and where it may lead."""

import re
import socket
from collections.abc import Sequence
from ipaddress import ip_address

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from drivers.blobs.addresses import Network, may_connect
from drivers.errors import FetchRefused, StoreUnavailable

HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?\.?")
NUMERIC_LABEL = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
# Blanks and control characters split requests and log lines; a backslash is a slash to some readers of URLs.
HOSTILE = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
# The length at which many servers give up; nobody's image has a longer one.
LONGEST_URL = 8192
NO_SUCH_HOST = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


def parse_url(text: str) -> URL:
    """Read a URL. Raise FetchRefused unless it is `http` or `https`, of a plain host, and without user or password."""
    if HOSTILE.search(text) or len(text) > LONGEST_URL:
        raise FetchRefused("The URL holds blanks, control characters or backslashes, or is too long.")
    try:
        url = URL(text)
    except ValueError:
        raise FetchRefused("The URL is malformed.") from None
    if url.scheme not in {"http", "https"}:
        raise FetchRefused("The URL's scheme must be http or https.")
    if url.raw_user is not None or url.raw_password is not None:
        raise FetchRefused("The URL must hold no user and no password.")
    _check_host(url.raw_host or "")
    if not url.port:
        raise FetchRefused("The URL's port cannot be used.")
    return url


def check_literal(url: URL, allowed: Sequence[Network]) -> None:
    """Raise FetchRefused when the host is an address, which no resolver will see, that nobody may connect to."""
    host = url.raw_host or ""
    if is_address(host) and not may_connect(host, allowed):
        raise FetchRefused("The URL's host has an address that must not be fetched from.")


def is_address(host: str) -> bool:
    """Tell whether a host that `parse_url` let pass is an address, not a name."""
    return ":" in host or _looks_numeric(host)


def _check_host(host: str) -> None:
    if is_address(host):
        try:
            _ = ip_address("zone" if "%" in host else host)
        except ValueError:
            raise FetchRefused("The URL's host is an address in a spelling other than the usual one.") from None
    elif not HOST_NAME.fullmatch(host) or ".." in host:
        raise FetchRefused("The URL has no host, or one that is no name.")


def _looks_numeric(host: str) -> bool:
    """Tell whether some reader would take it for an IPv4 address: the last label is a number (WHATWG URL 3.5)."""
    return NUMERIC_LABEL.fullmatch(host.rstrip(".").rpartition(".")[2]) is not None


class GuardedResolver(AbstractResolver):
    """Resolves a name once for each connection, and gives only addresses that it has checked.

    The connector connects to what this returns and to nothing else: a name that resolves differently a moment later
    (DNS rebinding) is never asked again. One address that is not allowed refuses the name.
    """

    def __init__(self, inner: AbstractResolver, allowed: Sequence[Network]) -> None:
        self._inner = inner
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """See AbstractResolver. Raise FetchRefused, or StoreUnavailable while nobody resolves the name."""
        try:
            found = await self._inner.resolve(host, port, family)
        except OSError as error:
            if error.errno in NO_SUCH_HOST:
                raise FetchRefused("The URL's host does not exist.") from error
            raise StoreUnavailable("The URL's host cannot be resolved now.") from error
        if not found or not all(may_connect(each["host"], self._allowed) for each in found):
            raise FetchRefused("The URL's host has an address that must not be fetched from.")
        return found

    async def close(self) -> None:
        """See AbstractResolver."""
        await self._inner.close()
