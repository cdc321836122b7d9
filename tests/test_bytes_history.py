"""One random history of claims and tasks on both drivers: every answer and every refusal of the one is the other's."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from datetime import timedelta
from typing import Any, get_args

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule
from msgspec.structs import replace

from drivers.claims import Claim, Effects
from drivers.protocol import ImageStore
from drivers.records import Image, Location
from drivers.tasks import Task, TaskQuery, TaskSortKey, TaskStatus, TaskType
from drivers.usage import UNLIMITED, Limits, usage_of
from tests.conformance import numbered
from tests.conformance_claims import LONG, NOW, OVER
from tests.two_stores import TwoStores, answer, compare

# Few of each, so that histories meet. Claims `e` and `f` are on the objects of `a` and `b`.
IMAGE_IDS = [numbered(number) for number in range(3)]
PROJECTS = ["p1", "p2"]
STORES = ["fast", "slow"]
OBJECTS = {"a": "mem:a", "b": "mem:b", "c": "mem:c", "d": "mem:d", "e": "mem:a", "f": "mem:b"}
URLS = sorted({*OBJECTS.values(), "mem:x"})
TASK_IDS = ["t1", "t2", "t3", "t4"]

image_ids = st.sampled_from(IMAGE_IDS)
owners = st.none() | st.sampled_from(PROJECTS)
claim_ids = st.sampled_from(sorted(OBJECTS))
some_claim_ids = st.lists(claim_ids, max_size=2, unique=True).map(tuple)
# Which of the claims that are written: most often one that is, by its place among them.
picks = st.integers(0, 5) | claim_ids
stores = st.sampled_from(STORES)
leases = st.sampled_from([OVER, LONG])
times = st.integers(0, 3).map(lambda second: NOW + timedelta(seconds=second))
amounts = st.integers(0, 20)
limits = st.just(UNLIMITED) | st.builds(Limits, bytes=st.integers(0, 60), uploading=st.integers(-1, 2))
# How far a revision or an attempt is off: most often not at all.
drifts = st.sampled_from([0, 0, 0, 0, -1, 1])
locations = st.builds(Location, st.sampled_from(URLS), st.just({}) | stores.map(lambda store: {"store": store}))
images = st.builds(
    Image,
    id=image_ids,
    created_at=st.just(NOW),
    updated_at=times,
    status=st.sampled_from(["queued", "saving", "uploading", "importing", "active", "pending_delete"]),
    owner=owners,
    size=st.none() | amounts,
    locations=st.lists(locations, max_size=2).map(tuple),
)


def claims(*states: Any) -> st.SearchStrategy[Claim]:
    return st.builds(
        lambda claim_id, **fields: Claim(id=claim_id, url=OBJECTS[claim_id], **fields),
        claim_ids,
        image_id=image_ids,
        store=stores,
        state=st.sampled_from(states),
        size=st.none() | amounts,
        project_id=owners,
        reserved=amounts,
    )


def several(one: st.SearchStrategy[Claim]) -> st.SearchStrategy[tuple[Claim, ...]]:
    return st.lists(one, max_size=2, unique_by=lambda claim: claim.url).map(tuple)


tasks = st.builds(
    Task,
    id=st.sampled_from(TASK_IDS),
    type=st.sampled_from(get_args(TaskType)),
    status=st.sampled_from([*get_args(TaskStatus), "pending", "pending", "processing", "processing"]),
    owner=owners,
    created_at=times,
    updated_at=times,
    image_id=st.none() | image_ids,
    input=st.dictionaries(st.sampled_from("ab"), amounts, max_size=2),
    result=st.none() | st.just({}),
    message=st.sampled_from(["", "half"]),
    expires_at=st.none() | times,
)
filters = st.sampled_from([(), (("status", "pending"),), (("type", "import"),), (("image_id", IMAGE_IDS[0]),)])
task_queries = st.builds(
    TaskQuery,
    now=times,
    project_id=owners,
    filters=filters,
    sort_key=st.sampled_from(get_args(TaskSortKey)),
    descending=st.booleans(),
    marker=st.none() | st.sampled_from(TASK_IDS),
    limit=st.integers(0, 3),
)


class BytesHistory(TwoStores):
    """Asks both drivers the same of claims, tasks, and the images they are about."""

    def __init__(self) -> None:
        super().__init__()
        self.revisions: dict[str, int] = {}
        self.attempts: dict[str, int] = {}

    def held(self, task: Task, drift: int) -> Task:
        return replace(task, attempt=max(0, self.attempts.get(task.id, 0) + drift))

    def picked(self, *picks: int | str) -> tuple[str, ...]:
        """Name the claims that were picked, each once."""
        kept = self.runner.run(gather(self.memory.claims(image_id) for image_id in IMAGE_IDS))
        writing = [claim.id for claims in kept for claim in claims if claim.state == "writing"] or ["a"]
        named = [pick if isinstance(pick, str) else writing[pick % len(writing)] for pick in picks]
        return tuple(dict.fromkeys(named))

    @initialize(
        added=st.lists(images, min_size=3, max_size=3),
        claimed=st.lists(claims("writing"), min_size=3, max_size=6),
        begun=st.lists(tasks, min_size=1, max_size=4),
    )
    def begin(self, added: Sequence[Image], claimed: Sequence[Claim], begun: Sequence[Task]) -> None:
        for image_id, each in zip(IMAGE_IDS, added, strict=True):
            self.add(replace(each, id=image_id))
        for claim in claimed:
            self.add_claim(claim, LONG, UNLIMITED)
        for task in begun:
            self.add_task(task)

    def add(self, image: Image) -> None:
        self.both(lambda store: store.add(image))
        self.revisions[image.id] = 1

    @rule(
        image=images,
        drift=drifts,
        limits=limits,
        added=several(claims("writing", "garbage")),
        ending=st.lists(st.tuples(st.sampled_from(["staged", "done", "dropped"]), picks), max_size=2),
        lease=leases,
        task=st.none() | st.none() | st.tuples(tasks, drifts),
    )
    def save(
        self, image: Image, drift: int, limits: Limits, added: Any, ending: Any, lease: timedelta, task: Any
    ) -> None:
        kinds = dict(zip(self.picked(*(pick for _, pick in ending)), (kind for kind, _ in ending), strict=False))
        effects = Effects(
            added=tuple(claim for claim in added if claim.url not in {OBJECTS[each] for each in kinds}),
            staged=tuple(each for each, kind in kinds.items() if kind == "staged"),
            done=tuple(each for each, kind in kinds.items() if kind == "done"),
            dropped=tuple(each for each, kind in kinds.items() if kind == "dropped"),
            lease=lease,
            task=task and self.held(*task),
        )
        wanted = replace(image, revision=self.revisions[image.id] + drift)
        saved = self.both(lambda store: store.save(wanted, limits=limits, effects=effects))
        if isinstance(saved, Image):
            self.revisions[image.id] = saved.revision

    @rule(image_id=image_ids, drift=st.sampled_from([0, 1, 1]), garbage=several(claims("garbage")))
    def delete(self, image_id: str, drift: int, garbage: Any) -> None:
        self.both(lambda store: store.delete(image_id, self.revisions[image_id] + drift, NOW, garbage=garbage))

    @rule(claim=claims("writing"), lease=leases, limits=limits)
    def add_claim(self, claim: Claim, lease: timedelta, limits: Limits) -> None:
        self.both(lambda store: store.add_claim(claim, lease=lease, limits=limits))

    @rule(pick=picks, lease=leases, reserved=amounts, limits=limits)
    def renew_claim(self, pick: int | str, lease: timedelta, reserved: int, limits: Limits) -> None:
        (claim_id,) = self.picked(pick)
        self.both(lambda store: store.renew_claim(claim_id, lease=lease, reserved=reserved, limits=limits))

    @rule(claim_ids=some_claim_ids, forget=st.booleans())
    def drop_or_forget_claims(self, claim_ids: Sequence[str], forget: bool) -> None:
        self.both(lambda store: store.forget_claims(claim_ids) if forget else store.drop_claims(claim_ids))

    @rule(lease=leases)
    def take_claims(self, lease: timedelta) -> None:
        async def take(store: ImageStore) -> list[Claim]:
            return sorted(await store.take_claims(100, lease=lease), key=lambda claim: claim.id)

        self.both(take)

    @rule(task=tasks)
    def add_task(self, task: Task) -> None:
        if self.both(lambda store: store.add_task(task)) is None:
            self.attempts[task.id] = 0

    @rule(limit=st.integers(0, 3), lease=leases, now=times)
    def take_tasks(self, limit: int, lease: timedelta, now: Any) -> None:
        for task in self.both(lambda store: store.take_tasks(limit, lease=lease, updated_at=now)):
            self.attempts[task.id] = task.attempt

    @rule(task=tasks, drift=drifts, lease=st.none() | leases)
    def save_or_renew_task(self, task: Task, drift: int, lease: timedelta | None) -> None:
        held = self.held(task, drift)
        self.both(lambda store: store.renew_task(held, lease=lease) if lease is not None else store.save_task(held))

    @rule(query=task_queries)
    def list_tasks(self, query: TaskQuery) -> None:
        self.both(lambda store: store.list_tasks(query))

    @rule(now=times.filter(lambda now: now < NOW + timedelta(seconds=2)))
    def drop_tasks(self, now: Any) -> None:
        self.both(lambda store: store.drop_tasks(now))

    @invariant()
    def everything_agrees(self) -> None:
        self.both(everything)

    @invariant()
    def nothing_is_held_but_by_images_and_claims(self) -> None:
        self.runner.run(self.add_up())

    async def add_up(self) -> None:
        """Add up what is reserved, and hold it against the counts that changes kept."""
        for project in PROJECTS:
            held = 0
            for image_id in IMAGE_IDS:
                held += sum(
                    each.reserved
                    for each in await self.memory.claims(image_id)
                    if each.project_id == project and each.state == "writing"
                )
                view = await answer(self.memory.get(image_id, None, locations=True))
                if not isinstance(view, tuple) and view.image.owner == project:
                    held += usage_of(view.image).bytes
            assert (await self.memory.usage(project)).bytes == held


async def everything(store: ImageStore) -> list[Any]:
    """Read all that a store keeps of ours."""
    return await gather(
        [
            *(answer(store.get(image_id, None, locations=True)) for image_id in IMAGE_IDS),
            *(store.claims(image_id) for image_id in IMAGE_IDS),
            *(store.image_tasks(image_id) for image_id in IMAGE_IDS),
            *(store.usage(project) for project in PROJECTS),
            *(store.known_urls(each, URLS) for each in STORES),
            store.list_tasks(TaskQuery(now=NOW, project_id=None)),
        ]
    )


async def gather(calls: Iterable[Awaitable[Any]]) -> list[Any]:
    return await asyncio.gather(*calls)


def test_both_drivers_tell_one_history(database: str) -> None:
    compare(BytesHistory, database)
