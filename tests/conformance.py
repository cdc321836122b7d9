"""The ImageStore contract as tests; a driver's own test module is a fixture that opens it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from drivers.errors import (
    ImageIdTaken,
    ImageNotFound,
    MemberExists,
    MemberNotFound,
    QuotaExceeded,
    RevisionConflict,
)
from drivers.protocol import ImageStore
from drivers.records import Image, Location, Member, Usage, View

NOW = datetime(2026, 1, 28, 12, 58, 17, 123456, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
ONE = "c92d820c-50dc-4fd1-a0bc-2f1071487b67"
TWO = "0a4d5b6e-1111-4222-8333-944444444444"
NEVER = "ffffffff-ffff-4fff-bfff-ffffffffffff"
UNLIMITED = -1


def image(image_id: str = ONE, **fields: Any) -> Image:
    """Make an image of project `p1`, with what a test cares about given by name."""
    return Image(**{"id": image_id, "owner": "p1", "created_at": NOW, "updated_at": NOW, **fields})


def full_image(image_id: str = ONE) -> Image:
    """Make an image in which every field differs from its default."""
    return image(
        image_id,
        name="Çirros ☃ 😀",
        status="deactivated",
        visibility="community",
        protected=True,
        os_hidden=True,
        container_format="bare",
        disk_format="qcow2",
        min_disk=2**31 - 1,
        min_ram=512,
        size=2**40,
        virtual_size=2**62,
        checksum="0" * 32,
        os_hash_algo="sha512",
        os_hash_value="f" * 128,
        updated_at=LATER,
        tags=("", "a b", "ü"),
        properties={"os_distro": "linux", "quote\"'\\": "\x01\n", "empty": "", "": "nameless"},
        locations=(Location("file:///a", {"store": "fast"}), Location("s3://b/k", {"n": {"deep": [1, None]}})),
    )


def member(member_id: str = "p2", image_id: str = ONE, **fields: Any) -> Member:
    """Make a pending membership."""
    return Member(**{"image_id": image_id, "member_id": member_id, "created_at": NOW, "updated_at": NOW, **fields})


class StoreConformance:
    """What every driver proves; a subclass gives the fixture `store`, freshly empty for each test."""

    async def test_an_open_store_is_ready(self, store: ImageStore) -> None:
        await store.check()

    async def test_every_field_comes_back_as_it_was_kept(self, store: ImageStore) -> None:
        await store.add(full_image())
        assert await store.get(ONE, "p1", locations=True) == View(full_image())

    async def test_defaults_come_back_as_defaults(self, store: ImageStore) -> None:
        await store.add(image())
        assert await store.get(ONE, "p1", locations=True) == View(image())

    async def test_locations_stay_out_of_a_read_that_does_not_ask(self, store: ImageStore) -> None:
        await store.add(full_image())
        view = await store.get(ONE, "p1")
        assert view == View(replace(full_image(), locations=()))

    @pytest.mark.parametrize("image_id", [NEVER, "", "x", "\0", "\ud800", ONE.upper(), f"{ONE} ", ONE * 1000, "ä" * 36])
    async def test_what_never_was_an_id_is_not_found(self, store: ImageStore, image_id: str) -> None:
        await store.add(image())
        with pytest.raises(ImageNotFound):
            await store.get(image_id, "p1")

    async def test_one_bad_read_spoils_no_other(self, store: ImageStore) -> None:
        await store.add(image())
        reads = [store.get(i, p) for i in (ONE, "\0", NEVER, "\ud800") for p in ("p1", None)]
        answers = await asyncio.gather(*reads, return_exceptions=True)
        assert answers[:2] == [View(image())] * 2
        assert {type(answer) for answer in answers[2:]} == {ImageNotFound}

    async def test_letter_case_tells_ids_apart(self, store: ImageStore) -> None:
        await store.add(image(ONE, name="lower"))
        await store.add(image(ONE.upper(), name="upper"))
        assert (await store.get(ONE, None)).image.name == "lower"
        assert (await store.get(ONE.upper(), None)).image.name == "upper"

    async def test_a_taken_id_conflicts(self, store: ImageStore) -> None:
        await store.add(image())
        with pytest.raises(ImageIdTaken):
            await store.add(image(name="another"))
        assert (await store.get(ONE, "p1")).image.name is None
        assert await store.usage("p1") == Usage(1, 0)

    async def test_a_deleted_id_is_never_used_again(self, store: ImageStore) -> None:
        await store.add(image())
        await store.delete(ONE, 1, LATER)
        with pytest.raises(ImageIdTaken):
            await store.add(image())

    async def test_of_many_creators_of_one_id_one_wins(self, store: ImageStore) -> None:
        creators = [store.add(image(name=str(n))) for n in range(10)]
        answers = await asyncio.gather(*creators, return_exceptions=True)
        assert [type(answer) for answer in answers if answer is not None] == [ImageIdTaken] * 9
        assert await store.usage("p1") == Usage(1, 0)

    async def test_a_save_replaces_all_but_id_and_creation(self, store: ImageStore) -> None:
        await store.add(image())
        wanted = replace(full_image(), created_at=LATER, owner="p9")
        saved = await store.save(wanted)
        assert saved == replace(wanted, created_at=NOW, revision=2)
        assert (await store.get(ONE, "p1", locations=True)).image == saved

    async def test_a_save_can_empty_every_field_again(self, store: ImageStore) -> None:
        await store.add(full_image())
        await store.save(image(owner=None))
        assert (await store.get(ONE, "p1", locations=True)).image == image(owner=None, revision=2)

    async def test_a_save_of_an_older_revision_is_refused(self, store: ImageStore) -> None:
        await store.add(image())
        await store.save(image(name="first"))
        with pytest.raises(RevisionConflict):
            await store.save(image(name="second"))
        assert (await store.get(ONE, "p1")).image.name == "first"

    async def test_of_many_savers_of_one_revision_one_wins(self, store: ImageStore) -> None:
        await store.add(image())
        savers = [store.save(image(name=str(n), owner=f"o{n}")) for n in range(10)]
        answers = await asyncio.gather(*savers, return_exceptions=True)
        assert sum(isinstance(answer, Image) for answer in answers) == 1
        assert sum(isinstance(answer, RevisionConflict) for answer in answers) == 9
        assert [await store.usage(f"o{n}") for n in range(10)].count(Usage(1, 0)) == 1

    async def test_a_read_after_a_write_sees_it(self, store: ImageStore) -> None:
        await store.add(image())
        for revision in range(1, 20):
            noise = [asyncio.ensure_future(store.get(ONE, f"p{n}")) for n in range(5)]
            await store.save(image(name=f"n{revision}", revision=revision))
            assert (await store.get(ONE, "p1")).image.name == f"n{revision}"
            await asyncio.gather(*noise)

    async def test_saving_or_deleting_what_is_gone_is_not_found(self, store: ImageStore) -> None:
        with pytest.raises(ImageNotFound):
            await store.save(image())
        with pytest.raises(ImageNotFound):
            await store.delete(ONE, 1, LATER)
        await store.add(image())
        await store.delete(ONE, 1, LATER)
        with pytest.raises(ImageNotFound):
            await store.save(image())
        with pytest.raises(ImageNotFound):
            await store.get(ONE, "p1")

    async def test_a_delete_of_an_older_revision_is_refused(self, store: ImageStore) -> None:
        await store.add(image())
        await store.save(image())
        with pytest.raises(RevisionConflict):
            await store.delete(ONE, 1, LATER)
        assert (await store.get(ONE, "p1")).image.revision == 2

    async def test_usage_follows_every_change(self, store: ImageStore) -> None:
        assert await store.usage("p1") == Usage()
        await store.add(image())
        await store.add(image(TWO, owner=None))
        assert await store.usage("p1") == Usage(1, 0)
        await store.save(image(size=10, locations=(Location("a"), Location("b"))))
        assert await store.usage("p1") == Usage(1, 20)
        await store.save(image(size=10, locations=(Location("a"),), revision=2))
        assert await store.usage("p1") == Usage(1, 10)
        await store.save(image(size=10, locations=(Location("a"),), owner="p2", revision=3))
        assert [await store.usage("p1"), await store.usage("p2")] == [Usage(), Usage(1, 10)]
        await store.delete(ONE, 4, LATER)
        assert await store.usage("p2") == Usage()

    async def test_usage_survives_projects_that_change_places(self, store: ImageStore) -> None:
        await store.add(image(ONE, owner="p1"))
        await store.add(image(TWO, owner="p2"))
        for revision in range(1, 6):
            there, back = ("p2", "p1") if revision % 2 else ("p1", "p2")
            await asyncio.gather(
                store.save(image(ONE, owner=there, revision=revision)),
                store.save(image(TWO, owner=back, revision=revision)),
            )
        assert [await store.usage("p1"), await store.usage("p2")] == [Usage(1, 0)] * 2

    async def test_a_reader_is_told_its_own_membership(self, store: ImageStore) -> None:
        await store.add(image())
        await store.add_member(member("p2"), quota=UNLIMITED)
        await store.set_member_status(ONE, "p2", "accepted", LATER)
        projects = ["p1", "p2", "p3", None]
        views = await asyncio.gather(*(store.get(ONE, project) for project in projects))
        assert [view.member_status for view in views] == [None, "accepted", None, None]

    async def test_members_come_in_the_order_they_joined(self, store: ImageStore) -> None:
        await store.add(image())
        members = [member(p, created_at=at, updated_at=at) for p, at in (("b", NOW), ("a", LATER), ("c", LATER))]
        for each in members:
            await store.add_member(each, quota=UNLIMITED)
        assert list(await store.members(ONE)) == members
        assert await store.member(ONE, "a") == members[1]
        assert list(await store.members(TWO)) == []

    async def test_a_member_joins_once(self, store: ImageStore) -> None:
        await store.add(image())
        await store.add_member(member(), quota=UNLIMITED)
        with pytest.raises(MemberExists):
            await store.add_member(member(), quota=UNLIMITED)

    async def test_nobody_joins_an_image_that_is_not_there(self, store: ImageStore) -> None:
        with pytest.raises(ImageNotFound):
            await store.add_member(member(), quota=UNLIMITED)

    async def test_concurrent_members_never_overshoot_the_quota(self, store: ImageStore) -> None:
        await store.add(image())
        joins = [store.add_member(member(f"p{n}"), quota=3) for n in range(10)]
        answers = await asyncio.gather(*joins, return_exceptions=True)
        assert sum(isinstance(answer, QuotaExceeded) for answer in answers) == 7
        assert len(await store.members(ONE)) == 3

    async def test_a_member_answers_the_offer(self, store: ImageStore) -> None:
        await store.add(image())
        await store.add_member(member(), quota=UNLIMITED)
        answered = await store.set_member_status(ONE, "p2", "rejected", LATER)
        assert answered == member(status="rejected", updated_at=LATER)
        assert await store.member(ONE, "p2") == answered

    async def test_a_member_that_left_is_not_found(self, store: ImageStore) -> None:
        await store.add(image())
        await store.add_member(member(), quota=UNLIMITED)
        await store.remove_member(ONE, "p2")
        with pytest.raises(MemberNotFound):
            await store.member(ONE, "p2")
        with pytest.raises(MemberNotFound):
            await store.set_member_status(ONE, "p2", "accepted", LATER)
        with pytest.raises(MemberNotFound):
            await store.remove_member(ONE, "p2")
        assert (await store.get(ONE, "p2")).member_status is None

    async def test_members_go_with_their_image(self, store: ImageStore) -> None:
        await store.add(image())
        await store.add_member(member(), quota=UNLIMITED)
        await store.delete(ONE, 1, LATER)
        assert list(await store.members(ONE)) == []

    async def test_members_change_neither_revision_nor_usage(self, store: ImageStore) -> None:
        await store.add(image())
        await store.add_member(member(), quota=UNLIMITED)
        assert (await store.get(ONE, "p1")).image == image()
        assert await store.usage("p2") == Usage()
