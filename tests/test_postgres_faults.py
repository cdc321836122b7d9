"""What many writers, hostile values, cancelled requests and a failing server may do to the PostgreSQL driver."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from drivers.errors import (
    ImageIdTaken,
    ImageNotFound,
    MemberNotFound,
    RevisionConflict,
    StoreUnavailable,
    Unstorable,
)
from drivers.protocol import ImageStore
from drivers.records import Image, Location, View
from drivers.usage import Usage
from tests.conformance import LATER, ONE, TWO, UNLIMITED, image, member
from tests.sessions import locked, nth_id, opened, until_waiting

IN_TRANSACTION = """
select count(*) from pg_stat_activity
where datname = current_database() and application_name = 'vitrine' and state like 'idle in transaction%'
"""
TERMINATE = """
select pg_terminate_backend(pid) from pg_stat_activity
where datname = current_database() and application_name = 'vitrine'
"""


@pytest.fixture
async def store(database: str) -> AsyncIterator[ImageStore]:
    async with opened(database) as store:
        yield store


async def test_no_count_is_lost_between_savers_of_two_processes(store: ImageStore, database: str) -> None:
    async def count_up(store: ImageStore) -> None:
        while True:
            now = (await store.get(ONE, None, locations=True)).image
            count = str(int(now.properties.get("count", "0")) + 1)
            try:
                await store.save(replace(now, properties={"count": count}))
            except RevisionConflict:
                continue
            return

    await store.add(image())
    async with opened(database) as other:
        await asyncio.gather(*(count_up(each) for each in [store, other] * 10))
    saved = (await store.get(ONE, None)).image
    assert (saved.properties, saved.revision) == ({"count": "20"}, 21)


async def test_no_creator_slips_in_beside_a_deleter(store: ImageStore, database: str) -> None:
    async with opened(database) as other:
        for number in range(20):
            mine = image(nth_id(number))
            await store.add(mine)
            answers = await asyncio.gather(
                *(each.add(mine) for each in [other] * 3),
                store.delete(mine.id, 1, LATER),
                *(each.add(mine) for each in [store, other]),
                return_exceptions=True,
            )
            assert [type(answer) for answer in answers] == [ImageIdTaken] * 3 + [type(None)] + [ImageIdTaken] * 2
    assert await store.usage("p1") == Usage()


async def test_members_come_and_go_while_their_image_is_deleted(store: ImageStore) -> None:
    for number in range(20):
        mine = nth_id(number)
        await store.add(image(mine))
        for name in ("a", "b"):
            await store.add_member(member(name, mine), quota=UNLIMITED)
        answers = await asyncio.gather(
            store.set_member_status(mine, "a", "accepted", LATER),
            store.add_member(member("c", mine), quota=UNLIMITED),
            store.delete(mine, 1, LATER),
            store.remove_member(mine, "b"),
            store.add_member(member("d", mine), quota=UNLIMITED),
            return_exceptions=True,
        )
        failures = {type(answer) for answer in answers if isinstance(answer, BaseException)}
        assert failures <= {ImageNotFound, MemberNotFound}
        assert answers[2] is None
        assert list(await store.members(mine)) == []


async def test_usage_stays_right_while_owners_cross(store: ImageStore) -> None:
    owners = ["p1", "p2", "p3", None]

    async def wander(number: int) -> Image:
        mine = image(nth_id(number), owner=owners[number % 4], size=1, locations=(Location("a"),))
        await store.add(mine)
        for step in range(12):
            mine = await store.save(replace(mine, owner=owners[(number * step + step) % 4], size=number))
        return mine

    ended = await asyncio.gather(*(wander(number) for number in range(8)))
    for owner in ("p1", "p2", "p3"):
        sizes = [each.size or 0 for each in ended if each.owner == owner]
        assert await store.usage(owner) == Usage(len(sizes), sum(sizes))


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "\0"},
        {"name": "\ud800"},
        {"tags": ("\0",)},
        {"properties": {"key": "\0"}},
        {"properties": {"\ud800": "value"}},
        {"locations": (Location("\0"),)},
        {"size": 2**63},
        {"virtual_size": -(2**63) - 1},
        {"min_disk": 2**31},
        {"size": 2**62, "locations": (Location("a"), Location("b"))},
        {"owner": "\0"},
        {"owner": "".join(map(chr, range(0x1000, 0x3000)))},
    ],
    ids=str,
)
async def test_what_no_column_holds_is_refused_and_changes_nothing(store: ImageStore, fields: dict[str, Any]) -> None:
    await store.add(image())
    with pytest.raises(Unstorable):
        await store.save(image(**fields))
    with pytest.raises(Unstorable):
        await store.add(image(TWO, **fields))
    assert await store.get(ONE, "p1", locations=True) == View(image())
    with pytest.raises(ImageNotFound):
        await store.get(TWO, "p1")
    assert await store.usage("p1") == Usage(1, 0)


@pytest.mark.parametrize("member_id", ["\0", "\ud800"])
async def test_a_member_no_column_holds_is_refused(store: ImageStore, member_id: str) -> None:
    await store.add(image())
    for call in (
        store.add_member(member(member_id), quota=UNLIMITED),
        store.member(ONE, member_id),
        store.remove_member(ONE, member_id),
    ):
        with pytest.raises(Unstorable):
            await call


async def test_a_project_no_column_holds_spoils_no_read_but_its_own(store: ImageStore) -> None:
    await store.add(image())
    views = await asyncio.gather(*(store.get(ONE, project) for project in ("p1", "\0", "\ud800", "p1\0", "x" * 2**20)))
    assert views == [View(image())] * 5


async def test_the_longest_values_are_kept(store: ImageStore) -> None:
    text = "ü" * 2**20
    # As long as the service lets them be, and of characters that cannot be compressed, for an index has to hold them.
    name = "".join(chr(0x10000 + 97 * number) for number in range(255))
    long = image(name=name, owner=name[::-1], tags=(text,), properties={text: text}, locations=(Location(text),))
    await store.add(long)
    await store.add_member(member(name), quota=UNLIMITED)
    assert await store.get(ONE, name, locations=True) == View(long, "pending")


async def test_a_pool_that_stays_exhausted_is_unavailable(database: str, admin: asyncpg.Connection) -> None:
    async with opened(database, pool=2, timeout=0.5) as store:
        await store.add(image())
        async with locked(database):
            calls = [store.save(image()), store.get(ONE, None), *(store.usage("p1") for _ in range(8))]
            answers = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(answer) for answer in answers[:2]} == {StoreUnavailable}
            assert {type(answer) for answer in answers[2:]} <= {StoreUnavailable, Usage}
        assert await store.get(ONE, "p1") == View(image())
        assert await admin.fetchval(IN_TRANSACTION) == 0


async def test_more_transactions_than_connections_wait_their_turn(database: str) -> None:
    async with opened(database, pool=2) as store:
        await asyncio.gather(*(store.add(image(nth_id(number))) for number in range(50)))
        assert await store.usage("p1") == Usage(50, 0)


async def test_a_request_cancelled_in_mid_transaction_leaves_nothing_behind(
    database: str, admin: asyncpg.Connection
) -> None:
    async with opened(database, pool=1) as store:
        await store.add(image())
        async with locked(database, "select 1 from project_usage for update"):
            saving = asyncio.ensure_future(store.save(image(owner="p2", name="lost")))
            await until_waiting(admin)
            saving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await saving
            assert await store.get(ONE, "p1") == View(image())
            assert await admin.fetchval(IN_TRANSACTION) == 0
        assert (await store.save(image(name="kept"))).revision == 2
        assert [await store.usage("p1"), await store.usage("p2")] == [Usage(1, 0), Usage()]


async def test_a_request_cancelled_at_any_moment_leaves_all_or_nothing(
    database: str, admin: asyncpg.Connection
) -> None:
    async with opened(database, pool=1) as store:
        await store.add(image())
        for moment in range(60):
            before = (await store.get(ONE, None)).image
            wanted = replace(before, name=str(moment), owner=f"p{moment % 2}")
            saving = asyncio.ensure_future(store.save(wanted))
            for _ in range(moment):
                await asyncio.sleep(0)
            saving.cancel()
            await asyncio.gather(saving, return_exceptions=True)
            after = (await store.get(ONE, None)).image
            assert after in (before, replace(wanted, revision=before.revision + 1))
            assert await store.usage(str(after.owner)) == Usage(1, 0)
        assert await admin.fetchval(IN_TRANSACTION) == 0


async def test_a_refusal_in_a_transaction_leaves_its_connection_clean(database: str, admin: asyncpg.Connection) -> None:
    async with opened(database, pool=1) as store:
        await store.add(image())
        for call in (store.add(image()), store.save(image(revision=7)), store.save(image(name="\0"))):
            with pytest.raises((ImageIdTaken, RevisionConflict, Unstorable)):
                await call
            assert await admin.fetchval(IN_TRANSACTION) == 0
            assert await store.get(ONE, "p1") == View(image())


Call = Callable[[ImageStore], Awaitable[Any]]
CALLS: dict[str, Call] = {
    "a batch of reads": lambda store: asyncio.gather(*(store.get(ONE, project) for project in ("p1", "p2", None))),
    "a change": lambda store: store.save(image(name="lost")),
}


@pytest.mark.parametrize("call", CALLS)
async def test_a_connection_lost_on_the_way_is_unavailable_and_heals(
    store: ImageStore, database: str, admin: asyncpg.Connection, call: str
) -> None:
    await store.add(image())
    async with locked(database):
        waiting = asyncio.ensure_future(CALLS[call](store))
        await until_waiting(admin)
        await admin.execute(TERMINATE)
        with pytest.raises(StoreUnavailable):
            await waiting
    assert await store.get(ONE, "p1") == View(image())


async def test_a_deadlock_with_somebody_else_is_unavailable(
    store: ImageStore, database: str, admin: asyncpg.Connection
) -> None:
    await store.add(image())
    async with locked(database, "select 1 from project_usage for update") as other:
        # So that the server breaks the ring on the driver's side.
        await other.execute("set deadlock_timeout = '1h'")
        saving = asyncio.ensure_future(store.save(image(owner="p2")))
        await until_waiting(admin)
        await other.execute("select 1 from images for update")
        with pytest.raises(StoreUnavailable, match="Deadlock"):
            await saving
    assert await store.get(ONE, "p1") == View(image())


@pytest.mark.parametrize("limit", ["statement_timeout", "lock_timeout"])
async def test_a_limit_of_the_servers_own_is_unavailable(database: str, limit: str) -> None:
    await set_for_all(database, f"{limit} = '100ms'")
    async with opened(database) as store:
        await store.add(image())
        async with locked(database):
            with pytest.raises(StoreUnavailable):
                await store.save(image())
        assert await store.get(ONE, "p1") == View(image())


async def test_a_server_that_turned_read_only_is_unavailable_to_writers(store: ImageStore, database: str) -> None:
    await store.add(image())
    await set_for_all(database, "default_transaction_read_only = on")
    async with opened(database) as reader:
        with pytest.raises(StoreUnavailable):
            await reader.save(image())
        assert await reader.get(ONE, "p1") == View(image())


async def set_for_all(database: str, setting: str) -> None:
    """Give every session that opens from now on a setting."""
    connection = await asyncpg.connect(database)
    name = await connection.fetchval("select current_database()")
    await connection.execute(f'alter database "{name}" set {setting}')
    await connection.close()


async def test_a_schema_that_grows_under_an_open_store_is_served(database: str, admin: asyncpg.Connection) -> None:
    async with opened(database, pool=1) as store:
        await store.add(image())
        await store.save(image())
        await admin.execute("alter table images add extra text")
        assert (await store.save(image(revision=2))).revision == 3
        await admin.execute("alter table images alter size type numeric")
        # Its statements were prepared for columns of the old type.
        with pytest.raises(StoreUnavailable, match="CachedStatement"):
            await store.save(image(revision=3))
        assert (await store.save(image(revision=3))).revision == 4
        assert await store.get(ONE, "p1") == View(image(revision=4))
