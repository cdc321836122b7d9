"""Each driver that comes along keeps the contract of metadata definitions, and what only PostgreSQL has to prove."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from drivers.errors import SchemaTooOld
from drivers.metadefs.protocol import MetadefStore, metadefs_of
from drivers.metadefs.records import KINDS, Ask
from drivers.postgres.metadefs import PostgresMetadefs
from drivers.protocol import ImageStore
from drivers.registry import open_store
from tests.metadef_conformance import (
    EVERYTHING,
    MetadefConformance,
    item,
    items_of_every_kind,
    kept,
)


class TestMemory(MetadefConformance):
    @pytest.fixture
    async def store(self) -> AsyncIterator[MetadefStore]:
        images = await open_store("memory://")
        yield offered(images)
        await images.close()


class TestPostgres(MetadefConformance):
    @pytest.fixture
    async def store(self, database: str) -> AsyncIterator[MetadefStore]:
        images = await open_store(database)
        yield offered(images)
        await images.close()

    async def test_a_namespace_is_read_in_one_statement_whatever_its_size(self, database: str) -> None:
        connection = await asyncpg.connect(database)

        @asynccontextmanager
        async def lend() -> AsyncIterator[asyncpg.Connection]:
            yield connection

        store, asked = PostgresMetadefs(lend), list[str]()
        await kept(store, *items_of_every_kind(), *(item("property", str(number)) for number in range(1000)))
        with connection.query_logger(lambda record: asked.append(record.query)):
            contents = await store.read(Ask("OS::A", KINDS, properties=True))
        assert len(contents.items) == 1008
        assert len(asked) == 1
        await connection.close()


async def test_an_empty_database_asks_for_migration_by_name(empty_database: str) -> None:
    images = await open_store(empty_database)
    store = offered(images)
    calls = (store.read(Ask("OS::A")), store.list_namespaces(EVERYTHING), store.resource_types(), kept(store))
    for call in calls:
        with pytest.raises(SchemaTooOld, match="vitrine migrate"):
            await call
    await images.close()


def test_a_store_of_images_need_not_offer_any() -> None:
    assert metadefs_of(object()) is None


def offered(images: ImageStore) -> MetadefStore:
    """Give what a store offers, which both of ours do."""
    store = metadefs_of(images)
    assert store is not None
    return store
