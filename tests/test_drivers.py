"""Each driver keeps the contract: a fixture each, and what only one of them has to prove."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from drivers.errors import SchemaTooOld, StoreUnavailable, UnknownScheme
from drivers.options import StoreOptions
from drivers.protocol import ImageStore
from drivers.records import View
from drivers.registry import DRIVERS, open_store
from tests.conformance import LATER, ONE, StoreConformance, full_image, image


class TestMemory(StoreConformance):
    @pytest.fixture
    async def store(self) -> AsyncIterator[ImageStore]:
        store = await open_store("memory://")
        yield store
        await store.close()


class TestPostgres(StoreConformance):
    @pytest.fixture
    async def store(self, database: str) -> AsyncIterator[ImageStore]:
        store = await open_store(database)
        yield store
        await store.close()

    async def test_two_processes_share_one_truth(self, store: ImageStore, database: str) -> None:
        other = await open_store(database)
        await store.add(full_image())
        assert await other.get(ONE, "p1", locations=True) == View(full_image())
        await other.close()

    async def test_a_tombstone_tells_when_its_image_was_deleted(self, store: ImageStore, database: str) -> None:
        await store.add(image())
        connection = await asyncpg.connect(database)
        read = "select id, deleted_at from image_ids"
        assert tuple(await connection.fetchrow(read)) == (ONE, None)
        await store.delete(ONE, 1, LATER)
        assert tuple(await connection.fetchrow(read)) == (ONE, LATER)
        await connection.close()

    async def test_a_lost_connection_heals(self, store: ImageStore, database: str) -> None:
        await store.add(image())
        connection = await asyncpg.connect(database)
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'vitrine'"
        )
        await connection.close()
        await asyncio.gather(*(store.get(ONE, "p1") for _ in range(20)), return_exceptions=True)
        assert await store.get(ONE, "p1") == View(image())


async def test_a_database_that_is_away_is_unavailable_and_keeps_its_secrets() -> None:
    store = await open_store("postgresql://bob:hunter2@127.0.0.1:1/nowhere", StoreOptions(timeout=1))
    with pytest.raises(StoreUnavailable) as refusal:
        await store.get(ONE, "p1")
    assert "hunter2" not in str(refusal.value)
    with pytest.raises(StoreUnavailable):
        await store.check()
    await store.close()


async def test_a_statement_that_hangs_is_unavailable(database: str) -> None:
    store = await open_store(database, StoreOptions(timeout=0.5))
    await store.add(image())
    blocker = await asyncpg.connect(database)
    async with blocker.transaction():
        await blocker.execute("lock table images")
        with pytest.raises(StoreUnavailable):
            await store.get(ONE, "p1")
    assert await store.get(ONE, "p1") == View(image())
    await blocker.close()
    await store.close()


async def test_an_empty_database_asks_for_migration_by_name(empty_database: str) -> None:
    store = await open_store(empty_database)
    for call in (store.check(), store.get(ONE, "p1"), store.add(image())):
        with pytest.raises(SchemaTooOld, match="vitrine migrate"):
            await call
    await store.close()


async def test_an_unknown_scheme_lists_the_known_ones() -> None:
    with pytest.raises(UnknownScheme) as refusal:
        await open_store("mongodb://user:hunter2@host/images")
    assert all(scheme in str(refusal.value) for scheme in DRIVERS)
    assert "hunter2" not in str(refusal.value)
