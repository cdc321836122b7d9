"""Drivers by URL scheme: the two that come along, and those that other packages add."""

from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import entry_points
from types import MappingProxyType

from drivers.errors import UnknownScheme
from drivers.memory import open_memory
from drivers.options import StoreOptions
from drivers.postgres import open_postgres
from drivers.protocol import ImageStore

Open = Callable[[str, StoreOptions], Awaitable[ImageStore]]

ENTRY_POINTS = "vitrine.stores"
DRIVERS: Mapping[str, Open] = MappingProxyType(
    {
        "memory": open_memory,
        "postgresql": open_postgres,
        "postgres": open_postgres,
    }
)


async def open_store(url: str, options: StoreOptions | None = None) -> ImageStore:
    """Open the store that a URL names. Raise UnknownScheme, listing the known ones."""
    return await find_driver(url)(url, options or StoreOptions())


def find_driver(url: str) -> Open:
    """Find what opens a URL, by its scheme. Raise UnknownScheme, listing the known ones.

    An installed package adds a scheme with an entry point of the group `vitrine.stores` that loads an `Open`.
    """
    # Not by a parser, which refuses some malformed URLs on its own: those are for the driver to explain.
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    opener = DRIVERS.get(scheme) or _added(scheme)
    if opener is None:
        known = sorted({*DRIVERS, *(point.name for point in entry_points(group=ENTRY_POINTS))})
        raise UnknownScheme(f"No driver for '{scheme}://': write `scheme://...` with one of {', '.join(known)}.")
    return opener


def _added(scheme: str) -> Open | None:
    points = entry_points(group=ENTRY_POINTS, name=scheme)
    opener: Open | None = next((point.load() for point in points), None)
    return opener
