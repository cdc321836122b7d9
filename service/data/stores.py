"""The stores of image data that the settings name: in which order, and which one is meant when none is."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from drivers.blobs.options import BlobOptions
from drivers.blobs.protocol import BlobStore
from drivers.blobs.registry import open_blobs
from drivers.errors import StoreError
from drivers.records import Image, Location
from service.settings import Settings, SettingsError

VARIABLE = "VITRINE_STORES"
ITEM = re.compile(r"(?:(?P<id>[A-Za-z0-9_.-]{1,64})=)?(?P<url>[A-Za-z][A-Za-z0-9+.-]*://.*)")
RESERVED = "os_glance"
# What claims and locations call the one store that has no name.
UNNAMED = ""


class StoreSpec(NamedTuple):
    """One store as an operator wrote it; `url` may hold secrets."""

    id: str
    url: str
    weight: int = 0
    description: str | None = None


class DataStore(NamedTuple):
    """One store in use."""

    id: str
    blobs: BlobStore
    weight: int = 0
    description: str | None = None

    def location(self, url: str) -> Location:
        """Name an object of this store as an image's location, with the store's id where it has one."""
        return Location(url, {"store": self.id} if self.id else {})


class Stores:
    """All stores by id, in the order of the setting.

    `multi` is whether they have names, so that clients may choose among them (reference section 1.2).
    """

    def __init__(self, stores: Mapping[str, DataStore], default: DataStore, staging: DataStore) -> None:
        self._stores = stores
        self.default = default
        self.staging = staging
        self.multi = UNNAMED not in stores

    def __iter__(self) -> Iterator[DataStore]:
        return iter(self._stores.values())

    def get(self, store_id: str) -> DataStore | None:
        """Find a store by its id, the one for staged data included."""
        return self._stores.get(store_id) or (self.staging if self.staging.id == store_id else None)

    def holding(self, location: Location) -> DataStore | None:
        """Find the store whose object a location names: by the id beside it, else by its URL."""
        named = location.metadata.get("store")
        store = self.get(named) if isinstance(named, str) else None
        if store is not None:
            return store
        return next((each for each in self if each.blobs.owns(location.url)), None)

    def ordered(self, image: Image) -> tuple[Location, ...]:
        """Order an image's locations by the weights of their stores, the heaviest first (reference section 3.4)."""
        return tuple(sorted(image.locations, key=lambda location: -self._weight(location)))

    def _weight(self, location: Location) -> int:
        store = self.get(str(location.metadata.get("store", UNNAMED)))
        return store.weight if store else 0


def read_specs(text: str) -> list[StoreSpec]:
    """Read the setting: one URL, or several `id=URL` with a comma between; `weight` and `description` in the query.

    Raises SettingsError, quoting nothing, as URLs may hold secrets.
    """
    specs = [_spec(item.strip(), number) for number, item in enumerate(text.split(","), start=1) if item.strip()]
    ids = [spec.id for spec in specs]
    if UNNAMED in ids and len(ids) > 1:
        raise SettingsError(f"{VARIABLE} has several stores, so each needs a name: `name=URL`.")
    if len(set(ids)) < len(ids):
        raise SettingsError(f"{VARIABLE} names two stores alike.")
    return specs


def _spec(item: str, number: int) -> StoreSpec:
    match = ITEM.fullmatch(item)
    if match is None:
        raise SettingsError(f"{VARIABLE}, store {number}, is neither a URL nor `name=URL`; write a comma in it as %2C.")
    if (name := match["id"] or UNNAMED).startswith(RESERVED):
        raise SettingsError(f"{VARIABLE}, store {number}: names that begin with `{RESERVED}` are the service's own.")
    try:
        parts = urlsplit(match["url"])
        ours = dict(parse_qsl(parts.query, keep_blank_values=True))
        weight, description = int(ours.pop("weight", "0")), ours.pop("description", None)
    except ValueError:
        raise SettingsError(f"{VARIABLE}, store {number}: its URL or its `weight` cannot be read.") from None
    # Put together by hand where nothing follows the slashes, which the library would drop.
    url = urlunsplit(parts._replace(query=urlencode(ours))) if parts.netloc or parts.path else f"{parts.scheme}://"
    return StoreSpec(name, url, weight, description)


@asynccontextmanager
async def opened_stores(settings: Settings) -> AsyncIterator[Stores]:
    """Open every store of the settings, and close them at the end.

    Raises SettingsError for settings that contradict each other, and, naming the store, for one that cannot be opened.
    """
    options = BlobOptions(timeout=settings.blob_timeout, allowed_networks=settings.fetch_allowed_networks)
    specs = read_specs(_text(settings))
    async with AsyncExitStack() as stack:

        async def opened(spec: StoreSpec, place: str) -> DataStore:
            try:
                blobs = await open_blobs(spec.url, options)
            except StoreError as error:
                raise SettingsError(f"{place}: {error}") from None
            stack.push_async_callback(blobs.close)
            return DataStore(spec.id, blobs, spec.weight, spec.description)

        stores = MappingProxyType({spec.id: await opened(spec, _place(spec)) for spec in specs})
        default = _default(stores, settings.default_store)
        staging = default
        if settings.staging:
            staging = await opened(StoreSpec(STAGING, settings.staging.reveal()), "VITRINE_STAGING")
        yield Stores(stores, default, staging)


def _place(spec: StoreSpec) -> str:
    return f"{VARIABLE}, store `{spec.id}`" if spec.id else VARIABLE


# The id of the store for staged data where it is one of its own; nobody is shown it.
STAGING = "os_glance_staging_store"


def _text(settings: Settings) -> str:
    if settings.stores is not None:
        return settings.stores.reveal()
    if settings.store.reveal().startswith("memory:"):
        return "memory://"
    raise SettingsError(f"{VARIABLE} is not set: say where image data is to live, such as file:///var/lib/vitrine.")


def _default(stores: Mapping[str, DataStore], wanted: str | None) -> DataStore:
    if wanted is not None and wanted not in stores:
        raise SettingsError(f"VITRINE_DEFAULT_STORE is none of the stores that {VARIABLE} names.")
    default = stores[wanted] if wanted is not None else next(each for each in stores.values())
    if default.blobs.read_only:
        raise SettingsError("The default store takes no data: name a writable one in VITRINE_DEFAULT_STORE or first.")
    return default
