"""Images and their members in dictionaries, and with claims and tasks the whole of a store."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec.structs import replace

from drivers.claims import NO_EFFECTS, Claim, Effects
from drivers.errors import (
    ImageIdTaken,
    ImageNotFound,
    MemberExists,
    MemberNotFound,
    QuotaExceeded,
    RevisionConflict,
)
from drivers.memory.claims import MemoryClaims
from drivers.memory.tasks import MemoryTasks
from drivers.metadefs.memory import MemoryMetadefs
from drivers.options import StoreOptions
from drivers.query import ImageQuery
from drivers.records import Image, Member, MemberStatus, View
from drivers.selection import select_page
from drivers.usage import UNLIMITED, Limits, usage_changes


async def open_memory(url: str, options: StoreOptions) -> "MemoryStore":
    """Open an empty store that lives as long as the process; the URL is `memory://`, and the options are not used."""
    return MemoryStore()


class MemoryStore(MemoryClaims, MemoryTasks):
    """Keeps every contract of ImageStore; a method never waits, so each is atomic on the event loop.

    What may be refused is looked at before anything is changed.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self.metadefs = MemoryMetadefs()

    async def check(self) -> None:
        """Serve always: there is nothing that could be away."""

    async def close(self) -> None:
        """Forget nothing: a store opened once stays readable to whoever still holds it."""

    async def get(self, image_id: str, project_id: str | None, *, locations: bool = False) -> View:
        """See ImageStore.get."""
        return self._view(self._live(image_id), project_id, locations=locations)

    async def list_images(self, query: ImageQuery) -> Sequence[View]:
        """See ImageStore.list_images."""
        views = (self._view(image, query.project_id, locations=query.locations) for image in self._images.values())
        return select_page(views, query)

    async def add(self, image: Image, *, limits: Limits = UNLIMITED) -> None:
        """See ImageStore.add."""
        if image.id in self._ids:
            raise ImageIdTaken(image.id)
        self._count(usage_changes(after=image), limits)
        self._ids.add(image.id)
        self._images[image.id] = image
        self._members[image.id] = {}

    async def save(self, image: Image, *, limits: Limits = UNLIMITED, effects: Effects = NO_EFFECTS) -> Image:
        """See ImageStore.save."""
        before = self._at(image.id, image.revision)
        after = replace(image, revision=image.revision + 1, created_at=before.created_at)
        released = self._check_effects(effects)
        self._check_task(effects.task)
        self._count(usage_changes(before, after, released=released, reserved=effects.added), limits)
        self._images[image.id] = after
        self._take_effect(effects)
        if effects.task is not None:
            self._keep_task(effects.task, effects.lease)
        return after

    async def delete(
        self, image_id: str, revision: int, deleted_at: datetime, *, garbage: Sequence[Claim] = ()
    ) -> None:
        """See ImageStore.delete."""
        image = self._at(image_id, revision)
        self._count(usage_changes(image, released=await self.claims(image_id)))
        del self._images[image_id], self._members[image_id]
        self._orphan(image_id)
        self._keep_new(garbage)

    async def add_member(self, member: Member, *, quota: int) -> None:
        """See ImageStore.add_member."""
        self._live(member.image_id)
        members = self._members[member.image_id]
        if member.member_id in members:
            raise MemberExists(member.image_id, member.member_id)
        if 0 <= quota <= len(members):
            raise QuotaExceeded("members of an image", quota, len(members) + 1)
        members[member.member_id] = member

    async def members(self, image_id: str) -> Sequence[Member]:
        """See ImageStore.members."""
        return sorted(
            self._members.get(image_id, {}).values(), key=lambda member: (member.created_at, member.member_id)
        )

    async def member(self, image_id: str, member_id: str) -> Member:
        """See ImageStore.member."""
        try:
            return self._members[image_id][member_id]
        except KeyError:
            raise MemberNotFound(image_id, member_id) from None

    async def set_member_status(
        self, image_id: str, member_id: str, status: MemberStatus, updated_at: datetime
    ) -> Member:
        """See ImageStore.set_member_status."""
        member = replace(await self.member(image_id, member_id), status=status, updated_at=updated_at)
        self._members[image_id][member_id] = member
        return member

    async def remove_member(self, image_id: str, member_id: str) -> None:
        """See ImageStore.remove_member."""
        await self.member(image_id, member_id)
        del self._members[image_id][member_id]

    def _view(self, image: Image, project_id: str | None, *, locations: bool) -> View:
        member = None if project_id is None else self._members[image.id].get(project_id)
        if image.locations and not locations:
            image = replace(image, locations=())
        return View(image, member.status if member else None)

    def _live(self, image_id: str) -> Image:
        try:
            return self._images[image_id]
        except KeyError:
            raise ImageNotFound(image_id) from None

    def _at(self, image_id: str, revision: int) -> Image:
        image = self._live(image_id)
        if image.revision != revision:
            raise RevisionConflict(image_id)
        return image
