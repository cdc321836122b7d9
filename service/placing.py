"""Locations from outside: which URLs a caller may put on an image, and the hashes that may come with them.

A URL of a store that holds our own objects is taken from services only, and never one that an image or an upload has
already (OSSN-0065, LP 1546507): whoever deletes an image must not delete another's data.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from drivers.errors import StoreError
from drivers.records import Image
from service.caller import Caller
from service.data.stores import DataStore
from service.data.tools import Tools
from service.refusals import BadRequest, Forbidden

INVALID = "Invalid location: it has to be a URL of a store of this service, and to lead to data."
NEVER_TAKEN = ("file:", "filesystem:", "swift+config:")
HEX = re.compile(r"[0-9a-fA-F]+")
# Hexadecimal digits of each hash that may come with a location.
DIGITS: Mapping[str, int] = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}


class Found(NamedTuple):
    """Where a URL leads: a store of ours, and so many bytes there."""

    store: DataStore
    size: int


class Validation(NamedTuple):
    """The hash that the data at a location has to have."""

    algorithm: str
    value: str


def is_service(caller: Caller) -> bool:
    """Tell whether the caller is another service of the cloud, or a user on whose behalf one asks."""
    return "service" in caller.roles | caller.service_roles


def place_for(tools: Tools, url: str, caller: Caller) -> DataStore:
    """Find the store of a URL that the caller may put on an image. Raises BadRequest or Forbidden."""
    if url.lower().startswith(NEVER_TAKEN):
        raise BadRequest(INVALID)
    store = next((store for store in tools.stores if store.blobs.owns(url)), None)
    if store is None:
        raise BadRequest(INVALID)
    if not store.blobs.read_only and not is_service(caller):
        raise Forbidden("Only services may put locations of this store on an image.")
    return store


async def find(tools: Tools, store: DataStore, url: str) -> Found:
    """Look at the object that a URL names. Raises BadRequest when it is not there, is empty, or is an image's."""
    await require_free(tools, store, url)
    try:
        size = await store.blobs.size(url)
    except StoreError as error:
        raise BadRequest(f"{INVALID} {error}") from None
    if not size:
        raise BadRequest(INVALID)
    return Found(store, size)


async def require_free(tools: Tools, store: DataStore, url: str) -> None:
    """Raise BadRequest for an object of our own that an image, or an upload, has already."""
    if not store.blobs.read_only and await tools.records.known_urls(store.id, [url]):
        raise BadRequest("Invalid location: the object is another image's.")


def adopted(tools: Tools, before: Image, after: Image) -> tuple[tuple[str, str], ...]:
    """Give the objects of stores of our own that a change puts on an image: they must be nobody's when it is saved."""
    had = {each.url for each in before.locations}
    urls = {each.url for each in after.locations} - had
    stores = [store for store in tools.stores if not store.blobs.read_only]
    return tuple((store.id, url) for url in sorted(urls) for store in stores if store.blobs.owns(url))


def read_validation(data: Any) -> Validation | None:
    """Read the `validation_data` of a location, None where there is none. Raises BadRequest for another shape."""
    if data is None or data == {}:
        return None
    if not isinstance(data, dict) or data.keys() != {"os_hash_algo", "os_hash_value"}:
        raise BadRequest("'os_hash_algo' and 'os_hash_value' need each other, and nothing else.")
    algorithm, value = data["os_hash_algo"], data["os_hash_value"]
    if algorithm not in DIGITS or not isinstance(value, str):
        raise BadRequest(f"'os_hash_algo' is none of {', '.join(DIGITS)}, or 'os_hash_value' is no text.")
    return Validation(algorithm, value)


def is_digest(algorithm: str, value: str) -> bool:
    """Tell whether a text can be a hash of that algorithm, in hex."""
    return len(value) == DIGITS.get(algorithm, len(value)) and HEX.fullmatch(value) is not None
