"""Which URLs the operator lets imports read from (reference section 2.3.1); the fetcher checks where they lead."""

from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

from yarl import URL

from drivers.blobs.fetch import Fetcher
from drivers.blobs.options import BlobOptions
from drivers.errors import FetchRefused, StoreUnavailable
from service.refusals import BadRequest
from service.settings import Settings

T = TypeVar("T")


def uri_filter(settings: Settings) -> Callable[[URL], None]:
    """Make the check of the settings' lists; it raises FetchRefused. A list of what is allowed outweighs the other."""
    allowed, disallowed = _ports(settings.allowed_ports), _ports(settings.disallowed_ports)

    def check(url: URL) -> None:
        _require(url.scheme, settings.allowed_schemes, settings.disallowed_schemes, "scheme")
        _require(url.host or "", settings.allowed_hosts, settings.disallowed_hosts, "host")
        if url.explicit_port is not None:
            _require(url.explicit_port, allowed, disallowed, "port")

    return check


def _ports(spans: Iterable[str]) -> frozenset[int]:
    ends = (span.partition("-") for span in spans)
    return frozenset(port for first, _, last in ends for port in range(int(first), int(last or first) + 1))


def _require(value: T, allowed: Collection[T], disallowed: Collection[T], what: str) -> None:
    if (value not in allowed) if allowed else (value in disallowed):
        raise FetchRefused(f"its {what} is not allowed here.")


@asynccontextmanager
async def opened_fetcher(settings: Settings) -> AsyncIterator[Fetcher]:
    """Open what fetches from users' URLs, within the lists and networks of the settings."""
    options = BlobOptions(timeout=settings.blob_timeout, allowed_networks=settings.fetch_allowed_networks)
    fetcher = Fetcher(options, allowed=uri_filter(settings))
    try:
        yield fetcher
    finally:
        await fetcher.close()


async def check_uri(uri: str, settings: Settings) -> None:
    """Raise BadRequest unless a URI that a caller sent may be imported from, as far as is known without connecting."""
    async with opened_fetcher(settings) as fetcher:
        try:
            await fetcher.check(uri)
        except (FetchRefused, StoreUnavailable) as error:
            raise BadRequest(f"The URI does not pass filtering: {error}") from None
