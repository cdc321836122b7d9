"""What projects hold and may hold: one function says what an image counts, one what a change of it adds."""

from collections.abc import Iterable, Mapping
from operator import add
from types import MappingProxyType

import msgspec
from msgspec.structs import astuple

from drivers.claims import Claim
from drivers.errors import QuotaExceeded
from drivers.records import Image

# The property that lists the stores an import has still to write, empty when it is done (reference section 3.2).
IMPORTING = "os_glance_importing_to_stores"
GONE = frozenset({"killed", "deleted", "pending_delete"})
STAGED = frozenset({"uploading", "importing"})
UPLOADING = STAGED | {"saving"}


class Usage(msgspec.Struct, frozen=True):
    """What a project holds, or what a change adds to it (reference section 7).

    `images`; `bytes`, counted once for every location that keeps them, and those that claims reserve; `staged_bytes`,
    of images whose data is staged or being written to further stores; `uploading`, the images whose data is on its way.
    """

    images: int = 0
    bytes: int = 0
    staged_bytes: int = 0
    uploading: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*map(add, astuple(self), astuple(other)))

    def __neg__(self) -> "Usage":
        return Usage(*(-count for count in astuple(self)))


class Limits(msgspec.Struct, frozen=True):
    """The most a project may hold of each count in Usage; a negative limit has no end."""

    images: int = -1
    bytes: int = -1
    staged_bytes: int = -1
    uploading: int = -1


UNLIMITED = Limits()
_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "images": "images of a project",
        "bytes": "bytes of a project's images",
        "staged_bytes": "bytes that a project has staged",
        "uploading": "images of a project that are being uploaded",
    }
)


def usage_of(image: Image) -> Usage:
    """Count an image as its owner's; one on its way out counts nothing."""
    if image.status in GONE:
        return Usage()
    size, importing = image.size or 0, bool(image.properties.get(IMPORTING))
    return Usage(
        images=1,
        bytes=size * len(image.locations),
        staged_bytes=size if importing or image.status in STAGED else 0,
        uploading=int(importing or image.status in UPLOADING),
    )


def reserved_by(claim: Claim) -> Usage:
    """Count what a claim keeps free for its project; one that is not `writing` counts nothing."""
    return Usage(bytes=claim.reserved if claim.state == "writing" else 0)


def usage_changes(
    before: Image | None = None,
    after: Image | None = None,
    *,
    released: Iterable[Claim] = (),
    reserved: Iterable[Claim] = (),
) -> Mapping[str, Usage]:
    """Tell what one change adds to which projects, in the order of their ids: the sum, so that limits see only that.

    An image that is new has no `before`, one that is gone no `after`; `released` are claims as they were, `reserved`
    claims as they are from now on. What has no owner is nobody's.
    """
    parts = [(image.owner, -usage_of(image)) for image in (before,) if image]
    parts += [(image.owner, usage_of(image)) for image in (after,) if image]
    parts += [(claim.project_id, -reserved_by(claim)) for claim in released]
    parts += [(claim.project_id, reserved_by(claim)) for claim in reserved]
    changes: dict[str, Usage] = {}
    for project_id, part in parts:
        if project_id is not None:
            changes[project_id] = changes.get(project_id, Usage()) + part
    return {project_id: change for project_id, change in sorted(changes.items()) if change != Usage()}


def check_limits(held: Usage, change: Usage, limits: Limits) -> None:
    """Raise QuotaExceeded when what is held after a change is over a limit, and the change made it grow.

    So a limit that was lowered below what is held forbids nothing but to add more.
    """
    for name, what in _NAMES.items():
        wanted, limit = getattr(held, name), getattr(limits, name)
        if getattr(change, name) > 0 and 0 <= limit < wanted:
            raise QuotaExceeded(what, limit, wanted)
