"""Images as they were last read, so that a read carries only what has changed since; never an answer by themselves."""

from collections import OrderedDict
from datetime import datetime
from typing import NamedTuple

import msgspec

from drivers.records import Image

# Together at most 8 MiB: how many images are kept, and how long each may be as JSON.
KEPT = 2000
LONGEST = 4096


class Version(NamedTuple):
    """What tells one state of a row from every other, whoever wrote it.

    Whatever changes a row gives it another `xmin`, also an operator's own statement that leaves the revision as it
    was. A server that takes over without the last transactions of the one before may give out the numbers of both
    again, but not at the same microsecond.
    """

    xmin: int
    revision: int
    updated_at: datetime


# Of an image that is not known; no row is of this version.
NEVER_READ = (None, None, None)


class Known(NamedTuple):
    """An image, and the version of the row that it was read from."""

    version: Version
    image: Image


class RecentImages:
    """The images that were read last, each with and without its locations; of either only the last that was read."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, bool], Known] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def find(self, image_id: str, *, locations: bool) -> Known | None:
        """Give what is known of an image, whether or not it is still so."""
        return self._known.get((image_id, locations))

    def keep(self, known: Known, *, locations: bool) -> None:
        """Remember an image, unless it is long; of too many, forget the one that was read whole the longest ago."""
        key = known.image.id, locations
        self._known.pop(key, None)
        if len(msgspec.json.encode(known.image)) <= LONGEST:
            self._known[key] = known
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
