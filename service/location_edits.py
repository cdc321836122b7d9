"""Locations changed by a patch of their image (reference section 5.5)."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from drivers.errors import QuotaExceeded
from drivers.records import Image, Location
from service.marks import require_no_task
from service.placing import Found, is_digest
from service.refusals import BadRequest, Conflict, Forbidden
from service.settings import Settings


class LocationWanted(Exception):
    """A decision needs to know where a URL leads, which has to be looked up first."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


class LocationEditor:
    """Changes the locations of one image, one operation after the other; `image` is what comes out.

    `found` tells of URLs where they lead.
    """

    def __init__(self, image: Image, found: Mapping[str, Found], settings: Settings) -> None:
        self.image = image
        self._found = found
        self._settings = settings

    def add(self, position: str, value: dict[str, Any]) -> None:
        """Put a location at a position, or behind the last. Raises what a patch refuses."""
        self._require_status("queued", "active")
        self._take_hashes([value])
        index = _index(position, len(self.image.locations))
        locations = list(self.image.locations)
        locations.insert(index, self._checked(value))
        self._fill(locations)

    def replace(self, values: list[dict[str, Any]]) -> None:
        """Put these in place of all; where there are some, only what is noted beside them may change."""
        self._require_status("queued", "active")
        if not self.image.locations:
            self._take_hashes(values)
            for value in values:
                self._fill([*self.image.locations, self._checked(value)])
            return
        if sorted(value["url"] for value in values) != sorted(each.url for each in self.image.locations):
            raise BadRequest("Only the metadata of locations can be replaced: add and remove change which there are.")
        self._take_hashes(values)
        held = {each.url: each for each in self.image.locations}
        noted = tuple(_noted(held[value["url"]], value["metadata"]) for value in values)
        self.image = replace(self.image, locations=noted)

    def remove(self, position: str) -> None:
        """Take a location off, but not the last one (OSSA-2016-006)."""
        self._require_status("active")
        count = len(self.image.locations)
        if count == 1:
            raise Forbidden("Cannot remove last location in the image.")
        index = count - 1 if position == "-" else _index(position, count)
        if index >= count:
            raise BadRequest(f"The image has no location {position}.")
        locations = list(self.image.locations)
        del locations[index]
        self.image = replace(self.image, locations=tuple(locations))

    def _require_status(self, *statuses: str) -> None:
        if self.image.status not in statuses:
            raise Conflict(f"It's not allowed to change locations if image status is {self.image.status}.")

    def _checked(self, value: dict[str, Any]) -> Location:
        """Make a location of a value, whose URL has been looked up."""
        url: str = value["url"]
        found = self._found.get(url)
        if found is None:
            raise LocationWanted(url)
        location = _noted(found.store.location(url), value["metadata"])
        if any((each.url, each.metadata) == (url, location.metadata) for each in self.image.locations):
            raise BadRequest("Invalid location: the image has it already.")
        quota = self._settings.image_location_quota
        if 0 <= quota <= len(self.image.locations):
            raise QuotaExceeded("locations of an image", quota, len(self.image.locations) + 1)
        return location

    def _fill(self, locations: list[Location]) -> None:
        """Put locations on the image; a queued one is active from then on."""
        image = replace(self.image, locations=tuple(locations))
        if image.status == "queued":
            require_no_task(image)
            for name in ("container_format", "disk_format"):
                if getattr(image, name) is None:
                    raise BadRequest(f"Property {name} must be set prior to saving data.")
            image = replace(image, status="active", size=self._found[locations[-1].url].size)
        self.image = image

    def _take_hashes(self, values: list[dict[str, Any]]) -> None:
        """Put what `validation_data` says on the image, where that agrees with itself and with the image."""
        told = [value["validation_data"] for value in values if value.get("validation_data")]
        if not told:
            return
        if any(data != told[0] for data in told):
            raise Conflict("The locations do not agree in their 'validation_data'.")
        data = told[0]
        wanted = {"os_hash_algo": data["os_hash_algo"], "os_hash_value": data["os_hash_value"].lower()}
        wanted |= {"checksum": data["checksum"].lower()} if "checksum" in data else {}
        held = {name: getattr(self.image, name) for name in wanted}
        if held == wanted:
            return
        if self.image.status != "queued" or any(held.values()):
            raise Conflict("'validation_data' differs from what the image's data hashes to.")
        self._require_digests(wanted)
        self.image = replace(self.image, **wanted)

    def _require_digests(self, wanted: Mapping[str, str]) -> None:
        algorithm = self._settings.hashing_algorithm
        if wanted["os_hash_algo"] != algorithm:
            raise Conflict(f"'os_hash_algo' has to be {algorithm} here.")
        if not is_digest(algorithm, wanted["os_hash_value"]) or not is_digest("md5", wanted.get("checksum", "0" * 32)):
            raise Conflict("'validation_data' holds what is no hash, in hexadecimal, of its algorithm.")


def _noted(location: Location, metadata: Mapping[str, Any]) -> Location:
    """Note this beside a location; but in which store it is, is not for callers to say."""
    store = {name: value for name, value in location.metadata.items() if name == "store"}
    return replace(location, metadata={name: value for name, value in metadata.items() if name != "store"} | store)


def _index(position: str, count: int) -> int:
    if position == "-":
        return count
    if not (position.isascii() and position.isdecimal()):
        raise BadRequest("A position among locations is a number, or '-' for the end.")
    return min(int(position[:9]), count)


def _store_in(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Give what is noted of the store, which is not the caller's to change."""
    return {"store": metadata["store"]} if "store" in metadata else {}
