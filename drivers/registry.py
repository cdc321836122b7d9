"""The drivers of records by URL scheme."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from drivers.memory import open_memory
from drivers.options import StoreOptions
from drivers.postgres import open_postgres
from drivers.protocol import ImageStore
from drivers.schemes import find_opener

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
    """Find what opens a URL; a package may add a scheme, see `find_opener`. Raise UnknownScheme."""
    return find_opener(url, DRIVERS, ENTRY_POINTS)
