"""The contract every driver keeps: what the service may ask of storage, and what each answer means."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from drivers.claims import NO_EFFECTS, Claim, Effects
from drivers.query import ImageQuery
from drivers.records import Image, Member, MemberStatus, View
from drivers.tasks import Task, TaskQuery
from drivers.usage import UNLIMITED, Limits, Usage


class ClaimStore(Protocol):
    """Objects of image data that no location names; leases are told by the storage's own clock.

    A claim begins and ends in most cases with a save of its image, see Effects. What a `writing` claim reserves counts
    as held by its project until it is in another state.
    """

    async def add_claim(self, claim: Claim, *, lease: timedelta, limits: Limits = UNLIMITED) -> None:
        """Keep a new `writing` claim under a lease, whatever becomes of its image.

        Raise QuotaExceeded; LeaseLost when there is a claim of its id or on its object.
        """

    async def renew_claim(self, claim_id: str, *, lease: timedelta, reserved: int, limits: Limits = UNLIMITED) -> None:
        """Begin the lease anew, and reserve so many bytes from now on.

        Raise LeaseLost unless the claim is `writing`; QuotaExceeded, with nothing changed, when more is reserved than
        before and the project's limits do not allow it.
        """

    async def drop_claims(self, claim_ids: Sequence[str]) -> None:
        """Make claims `garbage`, to be removed at once; those that are so already or not there are passed over."""

    async def claims(self, image_id: str) -> Sequence[Claim]:
        """List an image's claims, in the order of their ids; also of an image that was deleted."""

    async def take_claims(self, limit: int, *, lease: timedelta) -> Sequence[Claim]:
        """Take up to so many claims that have to be seen to, under a lease, so that no other taker meets them.

        Those are the `garbage`, and those whose lease ran out; of the latter the `writing` are `lost` from now on. A
        claim that its taker does not forget is there for the next one once the lease ran out.
        """

    async def forget_claims(self, claim_ids: Sequence[str]) -> None:
        """Drop the rows of claims whose objects are gone; those that are not there are passed over."""

    async def known_urls(self, store: str, urls: Sequence[str]) -> frozenset[str]:
        """Tell which of these objects a location of an image, or a claim, names."""


class TaskStore(Protocol):
    """Work to be done by any process: leases are told by the storage's own clock."""

    async def add_task(self, task: Task) -> None:
        """Keep a new task, for any process to take up. Raise LeaseLost when there is one of its id."""

    async def take_tasks(self, limit: int, *, lease: timedelta, updated_at: datetime) -> Sequence[Task]:
        """Take up to so many tasks that are `pending`, or `processing` under a lease that ran out, the oldest first.

        They are `processing` from now on, their attempt is the next, and no other process takes them before the lease
        runs out.
        """

    async def renew_task(self, task: Task, *, lease: timedelta) -> None:
        """Begin the lease anew, and keep the task's message and `updated_at`.

        Raise LeaseLost as `save_task` does, and for a task that is `pending`.
        """

    async def save_task(self, task: Task) -> None:
        """Replace a task. Raise LeaseLost when it is gone, has ended, or its attempt is another.

        One that has ended is taken up by nobody; one that is `pending` again is there for all.
        """

    async def task(self, task_id: str) -> Task:
        """Read a task, expired or not. Raise TaskNotFound."""

    async def image_tasks(self, image_id: str) -> Sequence[Task]:
        """List the tasks about an image, the earliest first, expired ones too."""

    async def list_tasks(self, query: TaskQuery) -> Sequence[Task]:
        """Read one page of tasks. Raise UnknownMarker when the marker is none that the query's project may see."""

    async def drop_tasks(self, expired_at: datetime) -> int:
        """Forget the tasks that had expired by then; tell how many."""


class ImageStore(ClaimStore, TaskStore, Protocol):
    """Records of images, their members, and what each project uses; claims and tasks beside them.

    Every method is one transaction: all of it happens, or nothing. A method that returns has happened for good, and
    every read that starts afterwards sees it. Any method raises StoreUnavailable when the storage does not answer.
    """

    async def check(self) -> None:
        """Raise StoreUnavailable, or SchemaTooOld with the remedy in its text, unless requests can be served."""

    async def close(self) -> None:
        """Free what the driver holds; no other call may follow."""

    async def get(self, image_id: str, project_id: str | None, *, locations: bool = False) -> View:
        """Read an image and the project's membership in it; `locations` stays empty unless asked for.

        It may be started outside of any task: before its first wait it must not use what needs the current task, such
        as asyncio's timeouts.
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

    async def save(self, image: Image, *, limits: Limits = UNLIMITED, effects: Effects = NO_EFFECTS) -> Image:
        """Replace the record whose revision is still `image.revision`; return it with the next revision.

        `created_at` and `id` never change. The locations are replaced too, so the image must have been read with
        them. Raise RevisionConflict when it was changed since, ImageNotFound when it is gone; LeaseLost when a claim
        or the task of the effects is no longer the caller's; QuotaExceeded when the owner would hold more than before
        and than the limits allow. What a claim of the effects had reserved is given back before that is looked at.
        """

    async def delete(
        self, image_id: str, revision: int, deleted_at: datetime, *, garbage: Sequence[Claim] = ()
    ) -> None:
        """Turn the record into a tombstone: its members go, its usage is given back, its id is never free again.

        `garbage` are claims of that state, added for the objects that were the image's. Its `staged` claims are
        garbage, and its `writing` ones `lost` once their lease is out: until then their writer may notice.
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
