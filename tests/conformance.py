"""The ImageStore contract as tests; a driver's own test module is a fixture that opens it."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import UUID

import pytest
from msgspec.structs import replace

from drivers.errors import (
    ImageIdTaken,
    ImageNotFound,
    MemberExists,
    MemberNotFound,
    QuotaExceeded,
    RevisionConflict,
    UnknownMarker,
)
from drivers.protocol import ImageStore
from drivers.query import Direction, Filter, ImageQuery, Order, SortKey, TextField
from drivers.records import Image, Location, Member, MemberStatus, View, Visibility
from drivers.usage import IMPORTING, Limits, Usage
from tests.conformance_claims import ClaimConformance
from tests.conformance_effects import EffectConformance
from tests.conformance_tasks import TaskConformance, TaskEffectConformance, TaskListConformance

NOW = datetime(2026, 1, 28, 12, 58, 17, 123456, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
ONE = "c92d820c-50dc-4fd1-a0bc-2f1071487b67"
TWO = "0a4d5b6e-1111-4222-8333-944444444444"
THREE = "0a4d5b6e-2222-4222-8333-944444444444"
NEVER = "ffffffff-ffff-4fff-bfff-ffffffffffff"
UNLIMITED = -1
A_COPY = (Location("a"),)
VISIBILITIES = get_args(Visibility)
MEMBER_STATUSES = get_args(MemberStatus)
ADMIN = ImageQuery(project_id=None, is_admin=True, limit=1000)


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


def ids(views: Sequence[View]) -> list[str]:
    """Name the images of a page, in its order."""
    return [view.image.id for view in views]


def numbered(number: int) -> str:
    """Make an id whose order is the number's."""
    return f"00000000-0000-4000-8000-{number:012d}"


async def fill(store: ImageStore, *images: dict[str, Any]) -> list[str]:
    """Keep images of these fields, each a second younger than the one before, and give their ids."""
    made = [
        image(numbered(number), **{"created_at": NOW + timedelta(seconds=number), **fields})
        for number, fields in enumerate(images)
    ]
    for each in made:
        await store.add(each)
    return [each.id for each in made]


async def found(store: ImageStore, **query: Any) -> set[int]:
    """Ask as an admin, and give the numbers of what is listed."""
    views = await store.list_images(ImageQuery(**{"project_id": None, "is_admin": True, "limit": 1000, **query}))
    return {int(view.image.id[-12:]) for view in views}


class ListConformance:
    """What every driver proves of `list_images`."""

    @pytest.fixture
    async def visible(self, store: ImageStore) -> dict[str, str]:
        """Keep an image for every row of the matrix in reference section 3.5, named by what `p1` has to do with it."""
        wished: dict[str, dict[str, Any]] = {
            **{f"own {visibility}": {"visibility": visibility} for visibility in VISIBILITIES},
            **{f"other {visibility}": {"visibility": visibility, "owner": "p2"} for visibility in VISIBILITIES},
            **{f"nobody's {visibility}": {"visibility": visibility, "owner": None} for visibility in VISIBILITIES},
            **{f"{status} {visibility}": {"visibility": visibility, "owner": "p2"}
               for status in MEMBER_STATUSES for visibility in ("shared", "private")},
            "own accepted shared": {"visibility": "shared"},
        }  # fmt: skip
        names = dict(zip(await fill(store, *wished.values()), wished, strict=True))
        for image_id, name in names.items():
            status = next((status for status in MEMBER_STATUSES if status in name), None)
            if status:
                await store.add_member(member("p1", image_id, status=status), quota=UNLIMITED)
        return names

    @pytest.mark.parametrize(
        ("visibility", "listed"),
        [
            (None, {f"own {each}" for each in VISIBILITIES} | {"other public", "nobody's public"}),
            ("public", {"own public", "other public", "nobody's public"}),
            ("community", {"own community", "other community", "nobody's community"}),
            ("private", {"own private"}),
            ("shared", {"own shared"}),
            (
                "all",
                {f"own {each}" for each in VISIBILITIES}
                | {f"{whose} {each}" for whose in ("other", "nobody's") for each in ("public", "community")},
            ),
        ],
    )
    @pytest.mark.parametrize("answer", [*MEMBER_STATUSES, "all"])
    async def test_a_project_lists_what_it_owns_what_is_public_and_what_it_was_given(
        self, store: ImageStore, visible: dict[str, str], visibility: Any, listed: set[str], answer: Any
    ) -> None:
        shared = {f"{status} shared" for status in MEMBER_STATUSES if answer in {status, "all"}}
        expected = listed | (shared | {"own accepted shared"} if visibility in {None, "shared", "all"} else set())
        query = ImageQuery(project_id="p1", visibility=visibility, member_status=answer, limit=1000)
        assert {visible[image_id] for image_id in ids(await store.list_images(query))} == expected

    @pytest.mark.parametrize("visibility", [None, "all", *VISIBILITIES])
    async def test_an_admin_lists_all_but_others_community_images_unless_asked_for(
        self, store: ImageStore, visible: dict[str, str], visibility: Any
    ) -> None:
        query = ImageQuery(project_id="p1", is_admin=True, visibility=visibility, member_status="pending", limit=1000)
        expected = {
            name
            for name in visible.values()
            if visibility in {"all", name.split()[-1]}
            or (visibility is None and (name == "own community" or "community" not in name))
        }
        assert {visible[image_id] for image_id in ids(await store.list_images(query))} == expected

    @pytest.mark.parametrize("project_id", [None, "", "\0", "\ud800"])
    async def test_a_viewer_without_a_project_owns_nothing_and_is_given_nothing(
        self, store: ImageStore, visible: dict[str, str], project_id: str | None
    ) -> None:
        query = ImageQuery(project_id=project_id, limit=1000)
        assert {visible[each] for each in ids(await store.list_images(query))} == {
            "own public",
            "other public",
            "nobody's public",
        }
        assert await store.list_images(ImageQuery(project_id=project_id, visibility="private")) == []

    async def test_each_row_tells_the_viewers_membership(self, store: ImageStore, visible: dict[str, str]) -> None:
        views = await store.list_images(ImageQuery(project_id="p1", member_status="all", limit=1000))
        told = {visible[view.image.id]: view.member_status for view in views if view.member_status}
        assert told == {
            "own accepted shared": "accepted",
            "pending shared": "pending",
            "accepted shared": "accepted",
            "rejected shared": "rejected",
        }

    async def test_a_row_is_the_record_with_its_locations_only_if_asked(self, store: ImageStore) -> None:
        await store.add(full_image())
        query = ImageQuery(project_id="p1", os_hidden=True, locations=True)
        assert await store.list_images(query) == [View(full_image())]
        assert await store.list_images(replace(query, locations=False)) == [View(replace(full_image(), locations=()))]

    async def test_hidden_images_are_listed_only_alone(self, store: ImageStore) -> None:
        await fill(store, {}, {"os_hidden": True})
        assert await found(store) == {0}
        assert await found(store, os_hidden=True) == {1}

    async def test_what_left_the_catalogue_left_the_list(self, store: ImageStore) -> None:
        first, second = await fill(store, {"visibility": "private"}, {"owner": "p2"})
        await store.add_member(member("p1", second, status="accepted"), quota=UNLIMITED)
        assert set(ids(await store.list_images(ImageQuery(project_id="p1")))) == {first, second}
        await store.remove_member(second, "p1")
        await store.delete(first, 1, LATER)
        assert await store.list_images(ImageQuery(project_id="p1")) == []

    async def test_a_list_after_a_write_shows_it(self, store: ImageStore) -> None:
        (image_id,) = await fill(store, {"properties": {"a": "1"}, "tags": ("x",)})
        saved = await store.save(
            image(image_id, owner="p2", visibility="public", properties={"a": "2"}, tags=("y",), os_hidden=True)
        )
        asked = {"os_hidden": True, "properties": (("a", "2"),), "tags": ("y",), "visibility": "public"}
        assert await found(store, **asked) == {0}
        assert await found(store, **asked, project_id="p2", is_admin=False) == {0}
        assert await found(store, properties=(("a", "1"),), os_hidden=True) == set()
        assert await found(store, properties=(("a", "2"),)) == set()
        await store.save(replace(saved, os_hidden=False, visibility="private"))
        assert await found(store, properties=(("a", "2"),), tags=("y",), project_id="p2", is_admin=False) == {0}

    @pytest.mark.parametrize(
        ("condition", "expected"),
        [
            (Filter("name", "eq", "a"), {0}),
            (Filter("name", "eq", ""), {2}),
            (Filter("name", "in", ("a", "", "nothing")), {0, 2}),
            (Filter("name", "in", ()), set()),
            (Filter("name", "in", ("a", "\0", "\ud800")), {0}),
            (Filter("name", "eq", "A"), set()),
            (Filter("name", "eq", "\0"), set()),
            (Filter("name", "eq", "\ud800"), set()),
            (Filter("id", "eq", numbered(1)), {1}),
            (Filter("id", "in", (numbered(1), numbered(2), numbered(1), "x", "\0")), {1, 2}),
            (Filter("id", "in", ()), set()),
            (Filter("id", "eq", "\0"), set()),
            (Filter("id", "neq", numbered(1)), {0, 2}),
            (Filter("name", "neq", "a"), {2}),
            (Filter("owner", "eq", "p2"), {1}),
            (Filter("owner", "eq", "p1"), {0, 2}),
            (Filter("status", "eq", "active"), {1}),
            (Filter("disk_format", "in", ("raw", "iso")), {0}),
            (Filter("container_format", "eq", "bare"), {0}),
            (Filter("checksum", "eq", "c"), {1}),
            (Filter("os_hash_algo", "eq", "sha512"), {1}),
            (Filter("os_hash_value", "eq", "f"), {1}),
            (Filter("protected", "eq", True), {1}),
            (Filter("protected", "eq", False), {0, 2}),
            (Filter("size", "eq", 5), {0}),
            (Filter("size", "gte", 5), {0, 1}),
            (Filter("size", "lte", 5), {0}),
            (Filter("size", "gte", 10**30), set()),
            (Filter("size", "lte", 10**30), {0, 1}),
            (Filter("size", "eq", -(10**30)), set()),
            (Filter("virtual_size", "gte", 0), {1}),
            (Filter("min_disk", "gte", 0), {0, 1, 2}),
            (Filter("min_ram", "eq", 7), {2}),
        ],
    )
    async def test_a_filter_chooses_and_null_fulfils_none(
        self, store: ImageStore, condition: Filter, expected: set[int]
    ) -> None:
        await fill(
            store,
            {"name": "a", "disk_format": "raw", "container_format": "bare", "size": 5},
            {"owner": "p2", "status": "active", "checksum": "c", "os_hash_algo": "sha512", "os_hash_value": "f",
             "protected": True, "size": 6, "virtual_size": 0},
            {"name": "", "min_ram": 7},
        )  # fmt: skip
        assert await found(store, filters=(condition,)) == expected

    @pytest.mark.parametrize("field", ["created_at", "updated_at"])
    @pytest.mark.parametrize(
        ("operator", "offset", "expected"),
        [
            ("eq", 0, {1}),
            ("eq", 0.3, set()),
            ("neq", 0, {0, 2}),
            ("neq", 0.3, {0, 1, 2}),
            ("gt", 0, {2}),
            ("gt", -0.3, {1, 2}),
            ("gt", 0.3, {2}),
            ("gte", 0, {1, 2}),
            ("gte", 0.3, {2}),
            ("lt", 0, {0}),
            ("lt", 0.3, {0, 1}),
            ("lte", 0, {0, 1}),
            ("lte", -0.3, {0}),
        ],
    )
    async def test_times_compare_as_they_are_shown(
        self, store: ImageStore, field: str, operator: Any, offset: float, expected: set[int]
    ) -> None:
        shown = NOW.replace(microsecond=0)
        kept = [
            shown - timedelta(microseconds=1),
            shown + timedelta(microseconds=500_000),
            shown + timedelta(seconds=1),
        ]
        await fill(store, *({"created_at": at, "updated_at": at} for at in kept))
        asked = Filter(field, operator, shown + timedelta(seconds=offset))  # type: ignore[arg-type]
        assert await found(store, filters=(asked,)) == expected

    async def test_the_ends_of_the_calendar_can_be_asked_for(self, store: ImageStore) -> None:
        await fill(store, {})
        first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
        for late in (last, last.replace(microsecond=0)):
            assert await found(store, filters=(Filter("created_at", "lte", late),)) == {0}
            assert await found(store, filters=(Filter("created_at", "gt", late),)) == set()
        assert await found(store, filters=(Filter("created_at", "gte", first),)) == {0}

    @pytest.mark.parametrize(
        ("asked", "expected"),
        [
            ({"properties": (("a", "1"),)}, {0, 1}),
            ({"properties": (("a", "1"), ("b", "2"))}, {1}),
            ({"properties": (("a", "1"), ("b", "1"))}, set()),
            ({"properties": (("a", "1"), ("a", "2"))}, set()),
            ({"properties": (("a", "x" * 100_000),)}, {3}),
            ({"properties": (("", ""),)}, {2}),
            ({"properties": (("name", "n"),)}, {2}),
            ({"properties": (("a", "\0"),)}, set()),
            ({"properties": (("\ud800", "1"),)}, set()),
            ({"tags": ("t",)}, {0, 1}),
            ({"tags": ("t", "u")}, {1}),
            ({"tags": ("t", "t")}, {0, 1}),
            ({"tags": ("",)}, {2}),
            ({"tags": ("\0",)}, set()),
            ({"tags": ("u",), "properties": (("b", "2"),), "filters": (Filter("name", "eq", "n"),)}, {1}),
            ({"tags": ("u",), "properties": (("b", "2"),), "filters": (Filter("name", "eq", "m"),)}, set()),
        ],
    )
    async def test_properties_and_tags_must_all_be_there(
        self, store: ImageStore, asked: dict[str, Any], expected: set[int]
    ) -> None:
        await fill(
            store,
            {"properties": {"a": "1"}, "tags": ("t",)},
            {"properties": {"a": "1", "b": "2"}, "tags": ("t", "u"), "name": "n"},
            {"properties": {"": "", "name": "n"}, "tags": ("",)},
            {"properties": {"a": "x" * 100_000}},
        )
        for first in Order("created_at"), Order("created_at", "asc"), Order("name", "asc"), Order("size"):
            assert await found(store, **asked, sort=(first, Order("id", first.direction))) == expected

    @pytest.mark.parametrize(
        ("sort", "expected"),
        [
            ((Order("created_at"),), [3, 2, 1, 0]),
            ((Order("created_at", "asc"),), [0, 1, 2, 3]),
            ((Order("name", "asc"),), [0, 1, 2, 3]),
            ((Order("name"), Order("created_at", "asc")), [3, 2, 0, 1]),
            ((Order("size", "asc"), Order("name", "desc")), [3, 1, 2, 0]),
            ((Order("status"), Order("disk_format", "asc"), Order("updated_at")), [2, 1, 3, 0]),
            ((Order("container_format", "asc"), Order("created_at")), [3, 2, 1, 0]),
        ],
    )
    async def test_pages_come_in_the_order_asked_for(
        self, store: ImageStore, sort: tuple[Order, ...], expected: list[int]
    ) -> None:
        made = await fill(
            store,
            {"name": None, "size": 7, "status": "active", "disk_format": "raw"},
            {"name": "", "size": 0, "status": "queued"},
            {"name": "Z", "size": 7, "status": "queued", "updated_at": LATER},
            {"name": "a", "size": None, "status": "active", "disk_format": "iso"},
        )
        sort = (*sort, Order("id", "asc"))
        for limit in (1, 2, 3, 10):
            assert await walk(store, replace(ADMIN, sort=sort, limit=limit)) == [made[number] for number in expected]

    async def test_images_of_one_moment_come_in_the_order_of_their_ids(self, store: ImageStore) -> None:
        made = await fill(store, *({"created_at": NOW} for _ in range(5)))
        assert await walk(store, replace(ADMIN, limit=2)) == made[::-1]

    async def test_a_walk_meets_the_images_of_every_branch_once(
        self, store: ImageStore, visible: dict[str, str]
    ) -> None:
        for limit in (1, 3, 1000):
            query = ImageQuery(project_id="p1", visibility="all", member_status="all", limit=limit)
            met = await walk(store, query)
            assert met == sorted(set(met), reverse=True)
            assert len(met) == 12

    async def test_a_limit_of_nothing_lists_nothing(self, store: ImageStore) -> None:
        (image_id,) = await fill(store, {})
        assert await store.list_images(replace(ADMIN, limit=0)) == []
        assert await store.list_images(replace(ADMIN, limit=0, marker=image_id)) == []

    async def test_a_marker_need_not_be_listed_itself(self, store: ImageStore) -> None:
        made = await fill(store, {"name": "a"}, {"name": "b"}, {"name": "a", "os_hidden": True}, {"name": "a"})
        query = replace(ADMIN, filters=(Filter("name", "eq", "a"),))
        assert ids(await store.list_images(replace(query, marker=made[1]))) == [made[0]]
        assert ids(await store.list_images(replace(query, marker=made[2]))) == [made[0]]

    @pytest.mark.parametrize(
        ("direction", "expected"),
        [("asc", [[], [2], [], [1, 2]]), ("desc", [[2, 1], [], [1], []])],
    )
    @pytest.mark.parametrize("fixed", [("name",), ("status", "name")])
    @pytest.mark.parametrize("keys", [("name",), ("status", "name"), ("name", "status")])
    async def test_a_marker_that_a_filter_leaves_out_has_its_place_in_the_order(
        self,
        store: ImageStore,
        direction: Direction,
        expected: list[list[int]],
        fixed: tuple[TextField, ...],
        keys: tuple[SortKey, ...],
    ) -> None:
        made = await fill(store, *({"name": name, "status": "active"} for name in ("c", "b", "b", "a")))
        filters = tuple(Filter(field, "eq", {"name": "b", "status": "active"}[field]) for field in fixed)
        sort = tuple(Order(key, direction) for key in (*keys, "created_at", "id"))
        for marker, numbers in zip(made, expected, strict=True):
            listed = await store.list_images(replace(ADMIN, filters=filters, sort=sort, marker=marker))
            assert ids(listed) == [made[number] for number in numbers]

    @pytest.mark.parametrize("marker", ["", "x", NEVER, numbered(0).upper() + " ", "\0", "\ud800"])
    async def test_a_marker_that_never_was_is_refused(self, store: ImageStore, marker: str) -> None:
        await fill(store, {})
        for limit in (0, 10):
            with pytest.raises(UnknownMarker):
                await store.list_images(replace(ADMIN, marker=marker, limit=limit))

    async def test_a_marker_that_vanished_is_refused(self, store: ImageStore) -> None:
        made = await fill(store, {}, {})
        await store.delete(made[1], 1, LATER)
        with pytest.raises(UnknownMarker):
            await store.list_images(replace(ADMIN, marker=made[1]))

    async def test_a_marker_is_refused_unless_the_viewer_may_know_of_it(
        self, store: ImageStore, visible: dict[str, str]
    ) -> None:
        refused = set()
        for image_id, name in visible.items():
            assert await store.list_images(replace(ADMIN, marker=image_id)) is not None
            try:
                await store.list_images(ImageQuery(project_id="p1", marker=image_id))
            except UnknownMarker:
                refused.add(name)
        assert refused == {"other shared", "other private", *(f"{status} private" for status in MEMBER_STATUSES)}

    async def test_a_walk_among_writers_meets_what_was_there_throughout_once(self, store: ImageStore) -> None:
        made = await fill(store, *({"visibility": "public"} for _ in range(60)))
        doomed, staying = made[::3], {*made} - {*made[::3]}
        walking = asyncio.create_task(walk(store, ImageQuery(project_id="p9", limit=4), pause=True))
        for number, image_id in enumerate(doomed):
            at = NOW + timedelta(seconds=3 * number, microseconds=1)
            await store.add(image(numbered(1000 + number), visibility="public", created_at=at))
            await store.delete(image_id, 1, LATER)
            await asyncio.sleep(0)
        met = await walking
        assert len(met) == len({*met})
        assert staying <= {*met}


async def walk(store: ImageStore, query: ImageQuery, *, pause: bool = False) -> list[str]:
    """Go from page to page until one comes short; where the marker has vanished, on from the one before it."""
    met: list[str] = []
    alive = 0
    while True:
        marker = met[alive - 1] if alive else None
        try:
            page = ids(await store.list_images(replace(query, marker=marker)))
        except UnknownMarker:
            alive -= 1
            continue
        met += page
        alive = len(met)
        if len(page) < query.limit:
            return met
        await asyncio.sleep(0.001 if pause else 0)


class StoreConformance(
    ListConformance,
    ClaimConformance,
    EffectConformance,
    TaskConformance,
    TaskListConformance,
    TaskEffectConformance,
):
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

    async def test_a_read_may_begin_outside_of_any_task(self, store: ImageStore) -> None:
        await store.add(image())
        begun: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

        def begin() -> None:
            reading = store.get(ONE, "p1")
            try:
                reading.send(None)
            except Exception as end:  # noqa: BLE001 - whatever it is, it is looked at below
                begun.set_result(end)
            else:
                reading.close()
                begun.set_result(None)

        asyncio.get_running_loop().call_soon(begin)
        assert isinstance(await begun, StopIteration | None)

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
        for revision in range(1, 9):  # the first savers only open connections, and so may come one after the other
            savers = [store.save(image(name=str(n), owner=f"o{n}", revision=revision)) for n in range(10)]
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

    @pytest.mark.parametrize(
        ("fields", "usage"),
        [
            ({"status": "saving"}, Usage(1, 0, 0, 1)),
            ({"status": "uploading"}, Usage(1, 0, 10, 1)),
            ({"status": "importing"}, Usage(1, 0, 10, 1)),
            ({"status": "importing", "size": None}, Usage(1, 0, 0, 1)),
            ({"status": "active", "locations": A_COPY}, Usage(1, 10)),
            ({"status": "active", "locations": A_COPY, "properties": {IMPORTING: "b,c"}}, Usage(1, 10, 10, 1)),
            ({"status": "active", "locations": A_COPY, "properties": {IMPORTING: ""}}, Usage(1, 10)),
            ({"status": "killed", "properties": {IMPORTING: "b"}}, Usage()),
            ({"status": "pending_delete", "locations": A_COPY}, Usage()),
        ],
        ids=repr,
    )
    async def test_usage_tells_what_is_stored_staged_and_on_its_way(
        self, store: ImageStore, fields: dict[str, Any], usage: Usage
    ) -> None:
        await store.add(image(**{"size": 10, **fields}))
        await store.add(image(TWO))
        await store.save(image(TWO, **{"size": 10, **fields}))
        assert await store.usage("p1") == usage + usage
        await store.save(image(size=7, locations=A_COPY))
        await store.delete(TWO, 2, LATER)
        assert await store.usage("p1") == Usage(1, 7)

    @pytest.mark.parametrize("there_before", [False, True])
    async def test_fifty_adding_at_once_never_overshoot_a_limit(self, store: ImageStore, there_before: bool) -> None:
        if there_before:
            await store.add(image())
            await store.delete(ONE, 1, LATER)
        await asyncio.gather(*(store.usage("p1") for _ in range(50)))  # so that a pool's connections are open
        adds = [store.add(image(str(UUID(int=n))), limits=Limits(images=3)) for n in range(50)]
        answers = await asyncio.gather(*adds, return_exceptions=True)
        assert sum(isinstance(answer, QuotaExceeded) for answer in answers) == 47
        assert answers.count(None) == 3
        assert await store.usage("p1") == Usage(3)

    async def test_what_a_limit_refuses_leaves_nothing_behind(self, store: ImageStore) -> None:
        with pytest.raises(QuotaExceeded, match="limit of 0 images of a project would be exceeded: 1 wanted"):
            await store.add(image(), limits=Limits(images=0))
        with pytest.raises(ImageNotFound):
            await store.get(ONE, "p1")
        assert await store.usage("p1") == Usage()
        await store.add(image())

    @pytest.mark.parametrize("name", ["bytes", "staged_bytes", "uploading"])
    async def test_every_count_has_a_limit_that_stops_its_growth_only(self, store: ImageStore, name: str) -> None:
        large: dict[str, Any] = {"status": "importing", "size": 10, "locations": A_COPY}
        await store.add(image(**large))
        held = getattr(await store.usage("p1"), name)
        below, enough = (Limits(**{name: limit}) for limit in (held - 1, held * 2))
        with pytest.raises(QuotaExceeded):
            await store.add(image(TWO, **large), limits=below)
        await store.add(image(THREE), limits=below)
        await store.add(image(TWO, **large), limits=enough)

    async def test_a_limit_is_the_owners_alone(self, store: ImageStore) -> None:
        await store.add(image(ONE, owner="p1"))
        await store.add(image(TWO, owner="p2"), limits=Limits(images=1))
        await store.add(image(THREE, owner=None), limits=Limits(images=0))

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
