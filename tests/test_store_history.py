"""One random history on both drivers: every answer and every refusal of the one is the other's."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule
from msgspec.structs import replace

from drivers.protocol import ImageStore
from drivers.query import Direction, Filter, ImageQuery, NumberField, Operator, Order, SortKey, TextField, TimeField
from drivers.records import Image, Location, Member, MemberStatus, Status, Visibility
from drivers.usage import IMPORTING, UNLIMITED, Limits
from tests.two_stores import TwoStores, answer, compare

# Few of each, so that histories meet: two ids differ by the case of a letter only, and the empty text is a project.
IMAGE_IDS = [
    "c92d820c-50dc-4fd1-a0bc-2f1071487b67",
    "C92d820c-50dc-4fd1-a0bc-2f1071487b67",
    *(f"0a4d5b6e-1111-4222-8333-94444444444{number}" for number in range(4)),
]
PROJECTS = ["p1", "p2", "P2", "", "ü"]

# What the service lets through to a driver: any text but NUL and lone surrogates, numbers the columns hold.
# Some come again and again, so that filters find something and orders have ties.
texts = st.sampled_from(["", "a", "B"]) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20
)
maybe_texts = st.none() | texts
NOON = datetime(2026, 1, 28, 12, tzinfo=UTC)
times = st.integers(0, 3 * 10**15).map(lambda microseconds: NOON + timedelta(microseconds=microseconds))
times = st.sampled_from([NOON, NOON + timedelta(microseconds=1)]) | times
sizes = st.integers(0, 2**50)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e15, 1e15) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
locations = st.builds(Location, texts, st.dictionaries(texts, json_values, max_size=3))
image_ids = st.sampled_from(IMAGE_IDS)
projects = st.sampled_from(PROJECTS)
maybe_projects = st.none() | projects
visibilities = st.sampled_from(get_args(Visibility))
seldom = st.sampled_from([False, False, False, True])
numbers = st.integers(0, 2**31 - 1)
images = st.builds(
    Image,
    id=image_ids,
    created_at=times,
    updated_at=times,
    name=maybe_texts,
    status=st.sampled_from(get_args(Status)),
    visibility=visibilities,
    protected=st.booleans(),
    os_hidden=seldom,
    owner=maybe_projects,
    container_format=maybe_texts,
    disk_format=maybe_texts,
    min_disk=numbers,
    min_ram=numbers,
    size=st.none() | sizes,
    virtual_size=st.none() | st.integers(0, 2**63 - 1),
    checksum=maybe_texts,
    os_hash_algo=maybe_texts,
    os_hash_value=maybe_texts,
    tags=st.lists(texts, max_size=3, unique=True).map(lambda tags: tuple(sorted(tags))),
    properties=st.dictionaries(texts | st.just(IMPORTING), texts, max_size=3),
    locations=st.lists(locations, max_size=3).map(tuple),
)
member_statuses = st.sampled_from(get_args(MemberStatus))
members = st.builds(
    Member, image_id=image_ids, member_id=projects, status=member_statuses, created_at=times, updated_at=times
)
limits = st.builds(Limits, st.integers(-1, 2), bytes=st.just(-1) | sizes, uploading=st.integers(-1, 1))
operators = st.sampled_from([operator for operator in get_args(Operator) if operator != "in"])
text_fields = st.sampled_from(get_args(TextField))
seconds = times.map(lambda time: time.replace(microsecond=0))
filters = st.one_of(
    st.builds(Filter, text_fields, operators, texts | image_ids),
    st.builds(Filter, text_fields, st.just("in"), st.lists(texts | image_ids, max_size=3).map(tuple)),
    st.builds(Filter, st.sampled_from(get_args(NumberField)), operators, numbers),
    st.builds(Filter, st.sampled_from(get_args(TimeField)), operators, seconds),
    st.builds(Filter, st.just("protected"), st.just("eq"), st.booleans()),
)
directions = st.sampled_from(get_args(Direction))
keys = st.sampled_from([key for key in get_args(SortKey) if key != "id"])
orders = st.lists(st.builds(Order, keys, directions), max_size=2, unique_by=lambda order: order.key)
queries = st.builds(
    ImageQuery,
    project_id=maybe_projects,
    is_admin=seldom,
    visibility=st.none() | st.just("all") | visibilities,
    member_status=st.just("all") | member_statuses,
    os_hidden=seldom,
    filters=st.just(()) | st.tuples(filters),
    properties=st.just(()) | st.just(()) | st.tuples(st.tuples(texts, texts)),
    tags=st.just(()) | st.just(()) | st.tuples(texts),
    sort=st.tuples(orders, st.builds(Order, st.just("id"), directions)).map(lambda sort: (*sort[0], sort[1])),
    marker=st.none() | st.none() | image_ids,
    limit=st.integers(0, 4),
    locations=st.booleans(),
)
EVERY_IMAGE = ImageQuery(project_id=None, visibility="all", member_status="all")
# How far the revision a change names is off: most often not at all.
drifts = st.sampled_from([0, 0, 0, -1, 1])


class History(TwoStores):
    """Asks both drivers the same of images and members."""

    def __init__(self) -> None:
        super().__init__()
        self.revisions: dict[str, int] = {}

    def revision(self, image_id: str, drift: int) -> int:
        return self.revisions.get(image_id, 1) + drift

    @initialize(added=st.lists(images, min_size=3, max_size=6, unique_by=lambda image: image.id))
    def begin(self, added: list[Image]) -> None:
        for image in added:
            self.add(image, UNLIMITED)

    @rule(image=images, limits=limits)
    def add(self, image: Image, limits: Limits) -> None:
        if self.both(lambda store: store.add(image, limits=limits)) is None:
            self.revisions[image.id] = 1

    @rule(image=images, drift=drifts)
    def save(self, image: Image, drift: int) -> None:
        wanted = replace(image, revision=self.revision(image.id, drift))
        saved = self.both(lambda store: store.save(wanted))
        if isinstance(saved, Image):
            self.revisions[image.id] = saved.revision

    @rule(image_id=image_ids, drift=drifts, now=times)
    def delete(self, image_id: str, drift: int, now: datetime) -> None:
        self.both(lambda store: store.delete(image_id, self.revision(image_id, drift), now))

    @rule(member=members, quota=st.sampled_from([-1, 0, 1, 2]))
    def add_member(self, member: Member, quota: int) -> None:
        self.both(lambda store: store.add_member(member, quota=quota))

    @rule(image_id=image_ids, member_id=projects, status=member_statuses, now=times)
    def set_member_status(self, image_id: str, member_id: str, status: Any, now: datetime) -> None:
        self.both(lambda store: store.set_member_status(image_id, member_id, status, now))

    @rule(image_id=image_ids, member_id=projects)
    def remove_member(self, image_id: str, member_id: str) -> None:
        self.both(lambda store: store.remove_member(image_id, member_id))

    @rule(image_id=image_ids, member_id=projects)
    def member(self, image_id: str, member_id: str) -> None:
        self.both(lambda store: store.member(image_id, member_id))

    @rule(image_id=image_ids, project_id=maybe_projects, locations=st.booleans())
    def get(self, image_id: str, project_id: str | None, locations: bool) -> None:
        self.both(lambda store: store.get(image_id, project_id, locations=locations))

    @rule(asked=st.lists(queries, min_size=5, max_size=10))
    def list_images(self, asked: list[ImageQuery]) -> None:
        self.both(lambda store: asyncio.gather(*(answer(store.list_images(query)) for query in asked)))

    @invariant()
    def everything_agrees(self) -> None:
        self.both(everything)


async def everything(store: ImageStore) -> list[Any]:
    """Read all that a store keeps of our images and projects."""
    asked = [
        *(answer(store.get(image_id, project, locations=True)) for image_id in IMAGE_IDS for project in PROJECTS),
        *(answer(store.members(image_id)) for image_id in IMAGE_IDS),
        *(answer(store.usage(project)) for project in PROJECTS),
        *(answer(store.list_images(replace(EVERY_IMAGE, project_id=project))) for project in PROJECTS[:2]),
        answer(store.list_images(replace(EVERY_IMAGE, is_admin=True))),
    ]
    return await asyncio.gather(*asked)


def test_both_drivers_tell_one_history(database: str) -> None:
    compare(History, database)
