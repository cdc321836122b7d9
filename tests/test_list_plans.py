"""How PostgreSQL reads a page: in one statement, by indexes in the page's order, and little more than the page."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest
from asyncpg.connection import LoggedQuery
from msgspec.structs import replace

from drivers.options import StoreOptions
from drivers.postgres import rows, statements
from drivers.postgres.listing import FEW, page_statement
from drivers.postgres.store import PostgresStore
from drivers.query import ImageQuery
from drivers.registry import open_store
from tests.bench.catalogue import BY_NAME, KINDS, LAST_PAGES, VIEWERS, before_last_page, catalogue
from tests.conformance import LATER, ONE, TWO, UNLIMITED, image, member
from tests.plans import explain, scans, touched

COUNT = 6_000
LIMIT = 10
# Of six thousand images a few pages may be read, and a probe into those of each term.
TOUCHED = 700
ASKED = [
    (viewer, kind, last) for viewer in VIEWERS for kind in KINDS for last in {False, kind in LAST_PAGES}
]  # fmt: skip


@pytest.fixture(scope="module")
def url(postgres_server: str) -> Iterator[str]:
    """Give the URL of a database with a small catalogue; small for a person, but not for reading all of it."""
    with catalogue(postgres_server, COUNT) as url:
        yield url


@pytest.fixture
async def asked() -> list[str]:
    """Collect the statements that the store sends."""
    return []


@pytest.fixture
async def store(url: str, asked: list[str]) -> AsyncIterator[PostgresStore]:
    """Give a store on the catalogue that tells what it asks."""

    async def prepare(connection: asyncpg.Connection) -> None:
        def note(query: LoggedQuery) -> None:
            asked.append(query.query)

        await rows.set_codecs(connection)
        await connection.execute(statements.SET_PLANNER)
        connection.add_query_logger(note)

    async def keep_as_is(connection: asyncpg.Connection) -> None:
        pass

    async with asyncpg.create_pool(url, min_size=0, max_size=1, init=prepare, reset=keep_as_is) as pool:
        yield PostgresStore(pool, StoreOptions())


async def plan(url: str, query: ImageQuery) -> list[dict[str, Any]]:
    """Run a list's statement as the store does; give the nodes of its plan with what each really read."""
    return await explain(url, *page_statement(query))


@pytest.mark.parametrize(("viewer", "kind", "last"), ASKED)
async def test_a_page_is_one_statement_that_reads_indexes_in_order_and_little_more_than_the_page(
    url: str, store: PostgresStore, asked: list[str], viewer: str, kind: str, last: bool
) -> None:
    query = replace(VIEWERS[viewer], limit=LIMIT, **KINDS[kind])
    if last:
        query = await before_last_page(store, query)
    asked.clear()
    await store.list_images(query)
    assert len(asked) == 1

    nodes = await plan(url, query)
    assert {node["Node Type"] for node in scans(nodes)} <= {"Index Scan", "Index Only Scan"}
    assert touched(nodes) < TOUCHED


@pytest.mark.parametrize("last", [False, True])
async def test_images_of_a_term_that_many_have_are_not_sorted_by_name_but_met_on_the_way(
    url: str, store: PostgresStore, last: bool
) -> None:
    by_name = replace(VIEWERS["admin"], visibility="private", limit=LIMIT, sort=BY_NAME)
    if last:
        by_name = await before_last_page(store, by_name)
    tagged = replace(by_name, tags=("all",))
    assert await store.list_images(tagged) == await store.list_images(by_name)
    assert FEW < touched(await plan(url, tagged)) < FEW + TOUCHED


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_a_list_by_name_of_what_all_have_is_the_list_by_name(store: PostgresStore, viewer: str) -> None:
    by_name = replace(VIEWERS[viewer], sort=BY_NAME, limit=COUNT)
    assert await store.list_images(replace(by_name, tags=("all",))) == await store.list_images(by_name)


LEFT_OVER = """
select count(*) from (
    select key, created_at, image_id from image_terms
    except select unnest(terms_of(images)), created_at, id from images
) as left_over
"""
MISSING = """
select count(*) from (
    select unnest(terms_of(images)), created_at, id from images
    except select key, created_at, image_id from image_terms
) as missing
"""
STALE = "select count(*) from image_members join images on image_id = id where image_name <> coalesce(name, '')"


async def test_what_the_indexes_keep_of_an_image_follows_every_change(database: str) -> None:
    store = await open_store(database)
    connection = await asyncpg.connect(database)
    changed = image(ONE, name="a", properties={"k": "1", "stays": "x"}, tags=("t", "u"))
    await store.add(changed)
    await store.add(image(TWO, owner=None))
    await store.add_member(member("p2", ONE), quota=UNLIMITED)
    changes: list[dict[str, Any]] = [
        {"name": "b"},
        {"name": None},
        {"properties": {"k": "2", "stays": "x"}},
        {"tags": ("u",)},
        {"visibility": "public"},
        {"os_hidden": True},
        {"owner": "p9"},
        {"owner": None, "status": "active", "disk_format": "raw", "container_format": "bare"},
        {"checksum": "c", "os_hash_value": "h", "updated_at": LATER},
        {"protected": True},
    ]
    for change in changes:
        changed = await store.save(replace(changed, **change))
        assert [await connection.fetchval(each) for each in (LEFT_OVER, MISSING, STALE)] == [0, 0, 0], change
    await store.delete(ONE, changed.revision, LATER)
    assert [await connection.fetchval(each) for each in (LEFT_OVER, MISSING, STALE)] == [0, 0, 0]
    assert await connection.fetchval("select count(*) from image_terms") > 0
    await connection.close()
    await store.close()
