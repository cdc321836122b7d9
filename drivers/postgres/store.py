"""The contract over PostgreSQL: reads coalesced, every change one transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import asyncpg
from msgspec.structs import astuple, replace

from drivers.claims import NO_EFFECTS, Claim, Effects
from drivers.coalesce import Coalescer
from drivers.errors import (
    ImageIdTaken,
    ImageNotFound,
    MemberExists,
    MemberNotFound,
    QuotaExceeded,
    RevisionConflict,
    SchemaTooOld,
    UnknownMarker,
)
from drivers.options import StoreOptions
from drivers.postgres import rows, statements
from drivers.postgres.claims import PostgresClaims, orphan, take_effect
from drivers.postgres.connections import count
from drivers.postgres.faults import SCHEMA_TOO_OLD, connect
from drivers.postgres.listing import page_statement
from drivers.postgres.metadefs import PostgresMetadefs
from drivers.postgres.migrations import pending
from drivers.postgres.recent import NEVER_READ, RecentImages
from drivers.postgres.rows import IMAGE_ID, STORABLE
from drivers.postgres.tasks import PostgresTasks, add_or_save_task
from drivers.query import ImageQuery
from drivers.records import Image, Member, MemberStatus, View
from drivers.usage import UNLIMITED, Limits, Usage, check_limits, usage_changes, usage_of

# First pages of which the statement is remembered, because they are asked for again and again.
REMEMBERED = 200


class Ask(NamedTuple):
    """One reader's question: which image, as which project, and whether with its locations."""

    image_id: str
    project_id: str | None
    locations: bool


async def open_postgres(url: str, options: StoreOptions) -> "PostgresStore":
    """Open a pool on a database by its URL, several hosts and `target_session_attrs` included.

    Nothing is connected yet: a database that is away shows in `check` and in every call, and heals by itself.
    """
    pool = await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=options.pool,
        command_timeout=options.timeout,
        timeout=options.timeout,
        connect=connect,
        init=_prepare,
        reset=_keep_as_is,
        # Times inside JSON that the server makes are in the session's zone.
        server_settings={"application_name": "vitrine", "timezone": "UTC"},
    )
    return PostgresStore(pool, options)


async def _prepare(connection: asyncpg.Connection) -> None:
    await rows.set_codecs(connection)
    await connection.execute(statements.SET_PLANNER)


async def _keep_as_is(connection: asyncpg.Connection) -> None:
    # No statement of ours changes its session, so the round trip of asyncpg's default reset buys nothing.
    pass


class PostgresStore(PostgresClaims, PostgresTasks):
    """Keeps every contract of ImageStore; any number of processes may share one database."""

    def __init__(self, pool: asyncpg.Pool, options: StoreOptions) -> None:
        super().__init__(pool, options)
        self._reads = Coalescer(self._read)
        self._recent = RecentImages()
        self._first_page = lru_cache(REMEMBERED)(page_statement)
        self.metadefs = PostgresMetadefs(self._connection)

    async def check(self) -> None:
        """See ImageStore.check."""
        async with self._connection() as connection:
            if await pending(connection):
                raise SchemaTooOld(SCHEMA_TOO_OLD)

    async def get(self, image_id: str, project_id: str | None, *, locations: bool = False) -> View:
        """See ImageStore.get; what is no image's id is answered at once, and cannot spoil a shared batch."""
        if IMAGE_ID.fullmatch(image_id):
            view = await self._reads.get(Ask(image_id, _member_id(project_id), locations))
            if view is not None:
                return view
        raise ImageNotFound(image_id)

    async def _read(self, asks: Sequence[Ask]) -> Mapping[Ask, View]:
        known = [self._recent.find(ask.image_id, locations=ask.locations) for ask in asks]
        versions = (each.version if each else NEVER_READ for each in known)
        async with self._connection() as connection:
            found = await connection.fetch(
                statements.READ_IMAGES, *zip(*asks, strict=True), *zip(*versions, strict=True)
            )
        views: dict[Ask, View] = {}
        for number, member_status, changed in found:
            ask, still = asks[number - 1], known[number - 1]
            if still is None or changed is not None:
                still = rows.to_known(changed)
                self._recent.keep(still, locations=ask.locations)
            views[ask] = View(still.image, member_status)
        return views

    async def list_images(self, query: ImageQuery) -> Sequence[View]:
        """See ImageStore.list_images."""
        if query.marker is not None and not IMAGE_ID.fullmatch(query.marker):
            raise UnknownMarker(query.marker)
        write = self._first_page if query.marker is None else page_statement
        text, values = write(replace(query, project_id=_member_id(query.project_id)))
        async with self._connection() as connection:
            found = await connection.fetch(text, *values)
        if query.marker is not None and not found[0]["marked"]:
            raise UnknownMarker(query.marker)
        return [rows.to_view(row) for row in found if row["id"] is not None]

    async def add(self, image: Image, *, limits: Limits = UNLIMITED) -> None:
        """See ImageStore.add."""
        usage = usage_of(image)
        # One statement is a transaction by itself, but one that a limit may yet undo.
        lent = self._connection if limits == UNLIMITED else self._transaction
        async with lent() as connection:
            try:
                held = await connection.fetchrow(
                    statements.ADD_IMAGE, *rows.to_add(image), image.owner, *astuple(usage)
                )
            except asyncpg.UniqueViolationError:
                raise ImageIdTaken(image.id) from None
            if held is not None:
                check_limits(Usage(*held), usage, limits)

    async def save(self, image: Image, *, limits: Limits = UNLIMITED, effects: Effects = NO_EFFECTS) -> Image:
        """See ImageStore.save."""
        async with self._transaction() as connection:
            before = await _lock(connection, image.id, image.revision)
            released = await take_effect(connection, effects)
            if effects.task is not None:
                await add_or_save_task(connection, effects.task, effects.lease)
            saved = await connection.fetchrow(statements.SAVE_IMAGE, *rows.to_save(image))
            changes = usage_changes(before, image, released=released, reserved=effects.added)
            await count(connection, changes, limits)
        return replace(image, created_at=saved["created_at"], revision=saved["revision"])

    async def delete(
        self, image_id: str, revision: int, deleted_at: datetime, *, garbage: Sequence[Claim] = ()
    ) -> None:
        """See ImageStore.delete."""
        async with self._transaction() as connection:
            before = await _lock(connection, image_id, revision)
            released = await orphan(connection, image_id, garbage)
            await connection.execute(statements.DELETE_IMAGE, image_id)
            await connection.execute(statements.BURY_ID, image_id, deleted_at)
            await count(connection, usage_changes(before, released=released))

    async def add_member(self, member: Member, *, quota: int) -> None:
        """See ImageStore.add_member."""
        async with self._transaction() as connection:
            if not await connection.fetchval(statements.LOCK_FOR_MEMBERS, member.image_id):
                raise ImageNotFound(member.image_id)
            if await connection.fetchrow(statements.READ_MEMBER, member.image_id, member.member_id):
                raise MemberExists(member.image_id, member.member_id)
            count = await connection.fetchval(statements.COUNT_MEMBERS, member.image_id)
            if 0 <= quota <= count:
                raise QuotaExceeded("members of an image", quota, count + 1)
            await connection.execute(statements.ADD_MEMBER, *_values(member))

    async def members(self, image_id: str) -> Sequence[Member]:
        """See ImageStore.members."""
        async with self._connection() as connection:
            return [rows.to_member(row) for row in await connection.fetch(statements.READ_MEMBERS, image_id)]

    async def member(self, image_id: str, member_id: str) -> Member:
        """See ImageStore.member."""
        return await self._member(statements.READ_MEMBER, image_id, member_id)

    async def set_member_status(
        self, image_id: str, member_id: str, status: MemberStatus, updated_at: datetime
    ) -> Member:
        """See ImageStore.set_member_status."""
        return await self._member(statements.SET_MEMBER_STATUS, image_id, member_id, status, updated_at)

    async def _member(self, statement: str, image_id: str, member_id: str, *values: Any) -> Member:
        async with self._connection() as connection:
            row = await connection.fetchrow(statement, image_id, member_id, *values)
        if row is None:
            raise MemberNotFound(image_id, member_id)
        return rows.to_member(row)

    async def remove_member(self, image_id: str, member_id: str) -> None:
        """See ImageStore.remove_member."""
        async with self._connection() as connection:
            if await connection.fetchval(statements.REMOVE_MEMBER, image_id, member_id) is None:
                raise MemberNotFound(image_id, member_id)


def _member_id(project_id: str | None) -> str | None:
    # A project whose id no column can hold owns nothing, and nothing can be shared with it.
    return project_id if project_id is None or STORABLE.fullmatch(project_id) else None


async def _lock(connection: asyncpg.Connection, image_id: str, revision: int) -> Image:
    row = await connection.fetchrow(statements.LOCK_IMAGE, image_id)
    if row is None:
        raise ImageNotFound(image_id)
    image = rows.to_image(row)
    if image.revision != revision:
        raise RevisionConflict(image_id)
    return image


def _values(member: Member) -> tuple[Any, ...]:
    return member.image_id, member.member_id, member.status, member.created_at, member.updated_at
