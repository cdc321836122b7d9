"""What other processes, at the worst moment, may do to claims and tasks in PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random

import asyncpg
import pytest
from msgspec.structs import replace

from drivers.claims import Claim, Effects
from drivers.errors import (
    ImageNotFound,
    LeaseLost,
    QuotaExceeded,
    RevisionConflict,
    TaskNotFound,
    Unstorable,
)
from drivers.protocol import ImageStore
from drivers.records import Location
from drivers.usage import Limits, Usage
from tests.conformance_claims import LONG, NOW, ONE, OVER, begin, claim, garbage, image, states, take
from tests.conformance_tasks import EVERYBODY, task
from tests.sessions import locked, nth_id, opened, until_waiting

LOSE = "update image_claims set state = 'lost'"
TAKE_OVER = "update tasks set attempt = attempt + 1, status = 'processing'"
ADD = (
    "insert into tasks values ('a', 'import', 'success', null, now(), now(), null, null, null, '{}', null, '', null, 0)"
)
HELD = """
select project_id, sum(bytes)::bigint
from (
    select owner, size * jsonb_array_length(locations) from images where status <> 'pending_delete'
    union all
    select project_id, reserved from image_claims where state = 'writing'
) as held (project_id, bytes)
where project_id is not null
group by project_id
"""


@pytest.fixture
async def store(database: str) -> AsyncIterator[ImageStore]:
    async with opened(database) as store:
        yield store


@pytest.mark.parametrize("of", ["claims", "tasks"])
async def test_takers_in_two_processes_never_meet(store: ImageStore, database: str, of: str) -> None:
    names = [f"{number:02}" for number in range(60)]
    await begin(store, *(claim(name, reserved=1) for name in names), lease=OVER)
    for name in names:
        await store.add_task(task(name))

    async def taken(each: ImageStore) -> list[str]:
        if of == "claims":
            return [one.id for one in await each.take_claims(3, lease=LONG)]
        return [one.id for one in await each.take_tasks(3, lease=LONG, updated_at=NOW)]

    async with opened(database) as other:
        met = [name for each in await asyncio.gather(*map(taken, [store, other] * 15)) for name in each]
        while more := await taken(other):
            met += more
    assert sorted(met) == names
    assert await store.usage("p1") == Usage(1, 0 if of == "claims" else 60, uploading=1)


class TestAWriterThatWaitsForASweeper:
    """A sweeper has changed the row, and commits while the writer waits for it: the writer sees what was made of it."""

    @pytest.mark.parametrize("call", ["renew", "done", "staged"])
    async def test_it_has_lost(self, store: ImageStore, database: str, admin: asyncpg.Connection, call: str) -> None:
        saving = await begin(store, claim(reserved=5))
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "renew": lambda: store.renew_claim("a", lease=LONG, reserved=5),
            "done": lambda: store.save(replace(saving, name="x"), effects=Effects(done=("a",))),
            "staged": lambda: store.save(replace(saving, name="x"), effects=Effects(staged=("a",))),
        }
        async with locked(database, LOSE) as sweeper:
            writing = asyncio.ensure_future(calls[call]())
            await until_waiting(admin)
            await sweeper.execute("commit; begin")
            with pytest.raises(LeaseLost):
                await writing
        assert (await store.get(ONE, "p1")).image == saving

    @pytest.mark.parametrize("call", ["save_task", "renew_task", "save", "save of a new one"])
    async def test_it_has_lost_its_task(
        self, store: ImageStore, database: str, admin: asyncpg.Connection, call: str
    ) -> None:
        await store.add(image())
        await store.add_task(task())
        ours = task()
        if call != "save of a new one":
            (ours,) = await store.take_tasks(1, lease=OVER, updated_at=NOW)
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "save_task": lambda: store.save_task(ours),
            "renew_task": lambda: store.renew_task(ours, lease=LONG),
            "save": lambda: store.save(image(name="x"), effects=Effects(task=ours)),
            "save of a new one": lambda: store.save(image(name="x"), effects=Effects(task=ours)),
        }
        async with locked(database, TAKE_OVER) as other:
            writing = asyncio.ensure_future(calls[call]())
            await until_waiting(admin)
            await other.execute("commit; begin")
            with pytest.raises(LeaseLost):
                await writing
        assert (await store.get(ONE, "p1")).image == image()

    async def test_a_task_that_somebody_else_adds_is_not_added_again(
        self, store: ImageStore, database: str, admin: asyncpg.Connection
    ) -> None:
        await store.add(image())
        async with locked(database, ADD) as other:
            saving = asyncio.ensure_future(store.save(image(name="x"), effects=Effects(task=task())))
            await until_waiting(admin)
            await other.execute("commit; begin")
            with pytest.raises(LeaseLost):
                await saving
        assert (await store.task("a")).status == "success"
        assert (await store.get(ONE, "p1")).image == image()


async def test_what_somebody_is_changing_is_passed_over_by_takers(store: ImageStore, database: str) -> None:
    await begin(store, claim("a"), claim("b"), lease=OVER)
    async with locked(database, "select from image_claims where id = 'a' for update"):
        assert await take(store) == {"b": "lost"}
    assert await take(store) == {"a": "lost"}
    await store.add_task(task("a"))
    await store.add_task(task("b"))
    for held, taken in (("a", "b"), ("b", "a")):
        async with locked(database, f"select from tasks where id = '{held}' for update"):
            assert [each.id for each in await store.take_tasks(2, lease=LONG, updated_at=NOW)] == [taken]


async def test_a_request_cancelled_at_any_moment_leaves_all_or_nothing(database: str) -> None:
    async with opened(database, pool=1) as store:
        await store.add(image())
        for moment in range(0, 120, 2):
            before = (await store.get(ONE, None, locations=True)).image
            old, new = claim(f"old{moment}", reserved=3), claim(f"new{moment}", reserved=5)
            await store.add_claim(old, lease=LONG)
            effects = Effects(done=(old.id,), added=(new,), task=task(new.id))
            saving = asyncio.ensure_future(store.save(replace(before, name=str(moment)), effects=effects))
            for _ in range(moment):
                await asyncio.sleep(0)
            saving.cancel()
            await asyncio.gather(saving, return_exceptions=True)
            done = (await store.get(ONE, None)).image.name == str(moment)
            left = new if done else old
            assert await store.claims(ONE) == [left]
            assert await store.usage("p1") == Usage(1, left.reserved)
            assert (new.id in {each.id for each in await store.list_tasks(EVERYBODY)}) == done
            await store.forget_claims([left.id])


async def test_what_no_column_holds_is_refused_and_changes_nothing(store: ImageStore) -> None:
    saving = await begin(store, claim())
    for effects in (
        Effects(done=("a",), added=(claim("b", url="\0"),)),
        Effects(done=("a",), added=(claim("b", reserved=2**63),)),
        Effects(done=("a",), added=(claim("b", url="x" * 10_000_000),)),
        Effects(done=("a",), task=task(message="\0")),
        Effects(done=("a",), task=task(owner="\ud800")),
        Effects(done=("a",), task=task(input={"a": "\ud800"})),
        Effects(done=("\0",)),
    ):
        with pytest.raises(Unstorable):
            await store.save(saving, effects=effects)
        assert await states(store) == {"a": "writing"}
    with pytest.raises(TaskNotFound):
        await store.task("a")


class Crowd:
    """Uploads, imports, deletions and sweepers of a few images in several processes, at random."""

    def __init__(self, stores: list[ImageStore], random: Random) -> None:
        self.stores = stores
        self.random = random
        self.images = [nth_id(number) for number in range(4)]
        self.number = self.done = 0

    def store(self) -> ImageStore:
        return self.random.choice(self.stores)

    def claim(self, image_id: str) -> Claim:
        self.number += 1
        project = self.random.choice(["p1", "p2", "p3"])
        return claim(f"{self.number}", image_id=image_id, project_id=project, reserved=self.number)

    async def save(self, image_id: str) -> None:
        now = (await self.store().get(image_id, None, locations=True)).image
        kept = list(await self.store().claims(image_id))
        self.random.shuffle(kept)
        writing = [each for each in kept if each.state == "writing"]
        effects = Effects(
            added=tuple(self.claim(image_id) for _ in range(self.random.randrange(3))),
            done=tuple(each.id for each in writing[:1]),
            dropped=tuple(each.id for each in kept[1:3]),
            lease=self.random.choice([OVER, LONG]),
        )
        owner = self.random.choice(["p1", "p2", "p3"])
        wanted = replace(now, owner=owner, size=self.number, locations=(Location("u"),) * self.random.randrange(3))
        await self.store().save(wanted, limits=Limits(bytes=4000), effects=effects)

    async def delete(self, image_id: str) -> None:
        now = (await self.store().get(image_id, None)).image
        self.number += 1
        await self.store().delete(image_id, now.revision, NOW, garbage=[garbage(str(self.number), image_id=image_id)])

    async def renew(self, image_id: str) -> None:
        for each in await self.store().claims(image_id):
            await self.store().renew_claim(each.id, lease=self.random.choice([OVER, LONG]), reserved=self.number)

    async def drop(self, image_id: str) -> None:
        kept = [each.id for each in await self.store().claims(image_id)]
        self.random.shuffle(kept)
        await self.store().drop_claims(kept[:3])

    async def sweep(self, image_id: str) -> None:
        taken = await self.store().take_claims(3, lease=OVER)
        await self.store().forget_claims([each.id for each in taken if each.state == "garbage"][::-1])

    async def run(self) -> None:
        for step in range(15):
            kinds = [self.save] * 4 + [self.renew, self.drop, self.sweep]
            image_id = self.random.choice(self.images)
            if step > 10 and image_id == self.images[0]:
                kinds = [self.delete]
            try:
                await self.random.choice(kinds)(image_id)
                self.done += 1
            except (ImageNotFound, LeaseLost, QuotaExceeded, RevisionConflict):
                continue


async def test_a_crowd_never_waits_in_a_ring_and_nothing_is_miscounted(
    store: ImageStore, database: str, admin: asyncpg.Connection
) -> None:
    async with opened(database) as other:
        crowd = Crowd([store, other], Random(7))
        for image_id in crowd.images:
            await store.add(image(id=image_id))
        await asyncio.gather(*(crowd.run() for _ in range(16)))
    held = dict(await admin.fetch(HELD))
    for project in ("p1", "p2", "p3"):
        assert (await store.usage(project)).bytes == held.get(project, 0)
    assert held
    assert crowd.done > 50
