"""The objects that an image leaves behind."""

from collections.abc import Iterable, Iterator

from drivers.claims import Claim
from drivers.records import Image, Location
from service.data.tools import Tools


def garbage_of(tools: Tools, image: Image, locations: Iterable[Location] | None = None) -> tuple[Claim, ...]:
    """Claim what an image's locations name as garbage: all of them, or those given.

    What lies in a store that is only read is not ours to remove, nor is what no store of ours has.
    """
    return tuple(_garbage(tools, image, image.locations if locations is None else locations))


def _garbage(tools: Tools, image: Image, locations: Iterable[Location]) -> Iterator[Claim]:
    for location in locations:
        store = tools.stores.holding(location)
        if store is None or store.blobs.read_only or not store.blobs.owns(location.url):
            continue
        yield Claim(id=tools.new_id(), image_id=image.id, store=store.id, url=location.url, state="garbage")
