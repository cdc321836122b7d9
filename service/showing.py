"""Showing images: read in the request that asks, judged for its caller, and said in words that may be remembered."""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from drivers.protocol import ImageStore
from drivers.recall import Recall
from drivers.records import Image, View
from service.caller import Caller
from service.conditional import etag
from service.data.stores import Stores
from service.fields import offers_locations, shown_fields
from service.policy.gates import require
from service.rules import Rules
from service.wire import Links, Shown, encode_image, encode_page

# How many images are remembered in words, and how long these may be: at most 8 MiB together, and the images.
REMEMBERED = 2000
LONGEST = 4096


class Said(NamedTuple):
    """An image in the words that some callers may read, and the tag that names these."""

    image: Image
    body: bytes
    tag: str


class Phrasebook:
    """Says images, and remembers how. The same words are used again only for a record that is equal in every field."""

    def __init__(self) -> None:
        self._said: Recall[tuple[str, Shown], Said] = Recall(REMEMBERED)

    def say(self, image: Image, shown: Shown) -> Said:
        """Say an image as those see it to whom this is shown."""
        key = (image.id, shown)
        said = self._said.get(key)
        if said is None or (said.image is not image and said.image != image):
            said = Said(image, encode_image(image, shown), etag(image, shown))
            if len(said.body) <= LONGEST:
                self._said.offer(key, said)
        return said


class Showing:
    """Shows images to callers, whatever the request came in."""

    def __init__(self, store: ImageStore, stores: Stores, rules: Rules) -> None:
        self._store = store
        self._stores = stores
        self._rules = rules
        self._with_locations = offers_locations(rules.settings)
        self._phrasebook = Phrasebook()

    async def show(self, caller: Caller, image_id: str) -> Said:
        """Say the image as it is now. Raises ImageNotFound and PolicyForbids, and StoreUnavailable."""
        view = await self._store.get(image_id, caller.project_id, locations=self._with_locations)
        require(self._rules.policy, "get_image", caller, view)
        return self.say(caller, in_order(self._stores, view))

    def say_page(self, caller: Caller, views: Iterable[View], links: Links, *, first: bool) -> bytes:
        """Say a page of images as the caller may see them; first ones are asked for often enough to be remembered."""
        ordered = (in_order(self._stores, view) for view in views)
        shown = ((view.image, shown_fields(self._rules, caller, view)) for view in ordered)
        if first:
            return encode_page((self._phrasebook.say(*each).body for each in shown), links)
        return encode_page((encode_image(*each) for each in shown), links)

    def say(self, caller: Caller, view: View) -> Said:
        """Say an image as the caller may see it, its locations as they are in order."""
        return self._phrasebook.say(view.image, shown_fields(self._rules, caller, view))


def in_order(stores: Stores, view: View) -> View:
    """Order an image's locations as callers meet them, by the weights of their stores."""
    if len(view.image.locations) < 2:
        return view
    return replace(view, image=replace(view.image, locations=stores.ordered(view.image)))
