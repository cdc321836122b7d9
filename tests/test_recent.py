"""A read carries only what is not known, and tells the truth whoever changed it: the driver for PostgreSQL."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from drivers.errors import ImageNotFound
from drivers.postgres import rows, statements
from drivers.postgres.recent import KEPT, LONGEST, NEVER_READ, Known, RecentImages, Version
from drivers.protocol import ImageStore
from drivers.records import Location, View
from tests.conformance import LATER, ONE, UNLIMITED, full_image, image, member
from tests.sessions import nth_id, opened

VERSION = Version(7, 1, LATER)
TICK = timedelta(microseconds=1)


@pytest.fixture
async def store(database: str) -> AsyncIterator[ImageStore]:
    async with opened(database) as store:
        await store.add(image())
        for _ in range(3):
            assert await store.get(ONE, "p1") == View(image())
        yield store


async def test_a_change_by_hand_that_leaves_the_revision_is_seen_by_the_next_read(
    store: ImageStore, admin: asyncpg.Connection
) -> None:
    for name in ("a", "b"):
        await admin.execute("update images set name = $1", name)
        assert await store.get(ONE, "p1") == View(image(name=name))
        assert await store.get(ONE, "p1") == View(image(name=name))


async def test_what_is_not_committed_is_not_seen_and_what_is_rolled_back_never(
    store: ImageStore, admin: asyncpg.Connection
) -> None:
    transaction = admin.transaction()
    await transaction.start()
    await admin.execute("update images set name = 'never', revision = revision + 1")
    assert await store.get(ONE, "p1") == View(image())
    await transaction.rollback()
    assert await store.get(ONE, "p1") == View(image())
    assert await store.save(image(name="b")) == image(name="b", revision=2)
    assert await store.get(ONE, "p1") == View(image(name="b", revision=2))


async def test_an_image_that_another_took_the_place_of_is_seen_as_that(
    store: ImageStore, admin: asyncpg.Connection
) -> None:
    await admin.execute("delete from images")
    with pytest.raises(ImageNotFound):
        await store.get(ONE, "p1")
    await admin.execute("delete from image_ids")
    await store.add(image(name="restored"))
    assert await store.get(ONE, "p1") == View(image(name="restored"))


async def test_the_membership_in_a_known_image_is_read_every_time(store: ImageStore) -> None:
    await store.add_member(member("p2"), quota=UNLIMITED)
    assert [(await store.get(ONE, each)).member_status for each in ("p1", "p2")] == [None, "pending"]
    await store.set_member_status(ONE, "p2", "accepted", LATER)
    assert (await store.get(ONE, "p2")).member_status == "accepted"
    await store.remove_member(ONE, "p2")
    assert (await store.get(ONE, "p2")).member_status is None


async def test_who_wants_the_locations_has_them_beside_who_does_not(store: ImageStore) -> None:
    saved = image()
    for number in range(3):
        saved = await store.save(replace(saved, locations=(Location(f"file:///{number}", {"number": number}),)))
        for _ in range(3):
            assert await store.get(ONE, "p1", locations=True) == View(saved)
            assert await store.get(ONE, "p1") == View(replace(saved, locations=()))


async def test_a_known_image_is_not_made_again(store: ImageStore) -> None:
    before, after = [(await store.get(ONE, "p1")).image for _ in range(2)]
    assert after is before


@pytest.mark.parametrize(
    ("other", "comes"),
    [({}, False), ({"xmin": 3}, True), ({"revision": 1}, True), ({"updated_at": LATER + TICK}, True)],
    ids=["none", "xmin", "revision", "updated_at"],
)
async def test_an_image_comes_unless_all_of_its_rows_version_is_known(
    store: ImageStore, database: str, other: dict[str, Any], comes: bool
) -> None:
    await store.save(image(updated_at=LATER, revision=1))
    connection = await asyncpg.connect(database)
    await rows.set_codecs(connection)

    async def read(*version: Any) -> Any:
        asked = ([each] for each in (ONE, "p1", True, *version))
        return await connection.fetchval(statements.READ_IMAGES, *asked, column=2)

    known = rows.to_known(await read(*NEVER_READ))
    assert known.image == image(updated_at=LATER, revision=2)
    assert known.version == Version(known.version.xmin, 2, LATER)
    assert (await read(*known.version._replace(**other)) is not None) == comes
    await connection.close()


def test_no_more_images_are_known_than_there_is_room_for() -> None:
    recent = RecentImages()
    for number in range(KEPT + 10):
        for _ in range(2):
            recent.keep(Known(VERSION, image(nth_id(number))), locations=False)
    assert len(recent) == KEPT
    assert recent.find(nth_id(9), locations=False) is None
    assert recent.find(nth_id(10), locations=False) == Known(VERSION, image(nth_id(10)))


def test_long_images_are_not_known() -> None:
    recent = RecentImages()
    for name in ("short", "n" * LONGEST):
        for _ in range(2):
            recent.keep(Known(VERSION, replace(full_image(), name=name)), locations=True)
        known = recent.find(ONE, locations=True)
        assert known is not None
        assert known.image.name == "short"
        assert recent.find(ONE, locations=False) is None
