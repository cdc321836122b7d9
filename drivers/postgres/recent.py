"""Images as they were last read, so that a read carries only what has changed since; never an answer by themselves."""

from datetime import datetime
from typing import NamedTuple

import msgspec

from drivers.recall import Recall
from drivers.records import Image

# How many images are kept, and how long each may be as JSON: some MiB together, or tens of it in the worst case.
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
    """The images that are read again and again, with and without their locations; of either as it was read last."""

    def __init__(self) -> None:
        self._known: Recall[tuple[str, bool], Known] = Recall(KEPT)

    def __len__(self) -> int:
        return len(self._known)

    def find(self, image_id: str, *, locations: bool) -> Known | None:
        """Give what is known of an image, whether or not it is still so."""
        return self._known.get((image_id, locations))

    def keep(self, known: Known, *, locations: bool) -> None:
        """Remember an image that is read again, unless it is long."""
        if len(msgspec.json.encode(known.image)) <= LONGEST:
            self._known.offer((known.image.id, locations), known)
