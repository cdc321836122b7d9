"""The contract every driver keeps: what the service may ask of storage, and what each answer means."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from drivers.query import ImageQuery
from drivers.records import Image, Member, MemberStatus, View
from drivers.usage import UNLIMITED, Limits, Usage


class ImageStore(Protocol):
    """Records of images, their members, and what each project uses.

    Every method is one transaction: all of it happens, or nothing. A method that returns has happened for good, and
    every read that starts afterwards sees it. Any method raises StoreUnavailable when the storage does not answer.
    """

    async def check(self) -> None:
        """Raise StoreUnavailable, or SchemaTooOld with the remedy in its text, unless requests can be served."""

    async def close(self) -> None:
        """Free what the driver holds; no other call may follow."""

    async def get(self, image_id: str, project_id: str | None, *, locations: bool = False) -> View:
        """Read an image and the project's membership in it; `locations` stays empty unless asked for.

        Raise ImageNotFound if it never was, or was deleted. The id is compared exactly, letter case included.
        """

    async def list_images(self, query: ImageQuery) -> Sequence[View]:
        """Read one page of the images that a project sees, each with its membership; see ImageQuery for which.

        A walk from page to page by `marker`, in an order of what never changes, meets each image that is there all the
        while exactly once, whatever is added or deleted meanwhile. Raise UnknownMarker when the marker is no live
        image that the viewer may know of, whatever the limit.
        """

    async def add(self, image: Image, *, limits: Limits = UNLIMITED) -> None:
        """Keep a new image at revision 1 and count it as its owner's, whose limits are given.

        Raise ImageIdTaken when the id is, or ever was, an image's; QuotaExceeded when the owner would hold more than
        the limits allow, however many are added at once.
        """

    async def save(self, image: Image) -> Image:
        """Replace the record whose revision is still `image.revision`; return it with the next revision.

        `created_at` and `id` never change. The locations are replaced too, so the image must have been read with
        them. Raise RevisionConflict when it was changed since, ImageNotFound when it is gone.
        """

    async def delete(self, image_id: str, revision: int, deleted_at: datetime) -> None:
        """Turn the record into a tombstone: its members go, its usage is given back, its id is never free again.

        Raise RevisionConflict when it was changed since, ImageNotFound when it is gone.
        """

    async def add_member(self, member: Member, *, quota: int) -> None:
        """Share an image with a project.

        Raise MemberExists, QuotaExceeded when the image has `quota` members already (a negative one has no end),
        ImageNotFound.
        """

    async def members(self, image_id: str) -> Sequence[Member]:
        """List the image's members, the earliest first; none for an image that is not there."""

    async def member(self, image_id: str, member_id: str) -> Member:
        """Read one membership. Raise MemberNotFound."""

    async def set_member_status(
        self, image_id: str, member_id: str, status: MemberStatus, updated_at: datetime
    ) -> Member:
        """Note what the member made of the offer; return the membership as it is now. Raise MemberNotFound."""

    async def remove_member(self, image_id: str, member_id: str) -> None:
        """End a membership. Raise MemberNotFound."""

    async def usage(self, project_id: str) -> Usage:
        """Tell what a project holds now; zeros for a project that never held anything."""
