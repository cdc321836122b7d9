"""How PostgreSQL finds claims and tasks among very many: by indexes, and little more than what is asked for."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from drivers.postgres import claim_statements as of_claims
from drivers.postgres import task_statements as of_tasks
from drivers.postgres.tasks import page_statement
from drivers.tasks import TaskQuery
from tests.conformance_claims import LONG, NOW
from tests.conformance_tasks import task
from tests.plans import explain, scans, touched

COUNT = 20_000
# One in five hundred is to be seen to; the others are under a lease or, half of them, staged for ever.
ADD_CLAIMS = """
insert into image_claims
select 'c' || n, 'i' || n / 4, 'fast', 'mem:///' || n,
    case when n % 500 = 0 then 'garbage' when n % 2 = 0 then 'writing' else 'staged' end, n, 'p1', 10,
    case when n % 500 = 0 then now() - interval '1 h' when n % 2 = 0 then now() + interval '1 h' end
from generate_series(1, $1::integer) as n
"""
# One in five hundred is there to be taken up, among them the youngest; as many run; the others have ended.
ADD_TASKS = """
insert into tasks
select 't' || n, 'import', case n % 500 when 0 then 'pending' when 1 then 'processing' else 'success' end,
    'p' || n % 100, timestamptz '2026-01-01Z' + n * interval '1 s', now(), 'i' || n / 4, null, null, '{}', null, '',
    case when n % 500 > 1 then timestamptz '2026-01-01Z' + n * interval '1 s' end, 1,
    case n % 500 when 0 then now() - interval '1 h' when 1 then now() + interval '1 h' end
from generate_series(1, $1::integer) as n
"""
ADD_IDS = "insert into image_ids (id) select 'i' || n from generate_series(1, $1::integer) as n"
ADD_IMAGES = """
insert into images
select 'i' || n, null, 'active', 'private', false, false, 'p1', null, null, 0, 0, n, null, null, null, null,
    timestamptz '2026-01-01Z' + n * interval '1 s', now(), '{}', '{}',
    jsonb_build_array(jsonb_build_object('url', 'mem:///data' || n, 'metadata', jsonb_build_object('store', 'fast'))), 1
from generate_series(1, $1::integer) as n
"""
URLS = [f"mem:///{kind}{number}" for kind in ("", "data", "nothing") for number in range(1, 301)]
OURS = TaskQuery(now=NOW - timedelta(days=365), project_id="p7")
FIRST = task("t7", created_at=NOW)


@pytest.fixture
async def full(database: str) -> str:
    """Give the URL of a database with very many claims and tasks."""
    connection = await asyncpg.connect(database)
    for statement in (ADD_CLAIMS, ADD_TASKS):
        await connection.execute(statement, COUNT)
    for statement in (ADD_IDS, ADD_IMAGES):
        await connection.execute(statement, COUNT // 10)
    await connection.execute("analyze")
    await connection.close()
    return database


CASES: dict[str, tuple[str, Sequence[Any], int]] = {
    "take claims": (of_claims.TAKE_CLAIMS, (10, LONG), 30),
    "take all claims": (of_claims.TAKE_CLAIMS, (1000, LONG), 3 * COUNT // 500),
    "lock claims": (of_claims.LOCK_CLAIMS, (["c1", "c2"],), 2),
    "drop claims": (of_claims.DROP_CLAIMS, (["c1", "c2"],), 2),
    "forget claims": (of_claims.FORGET_CLAIMS, (["c1", "c2"],), 2),
    "read claims": (of_claims.READ_CLAIMS, ("i7",), 4),
    "orphan claims": (of_claims.ORPHAN_CLAIMS, ("i7",), 12),
    "take tasks": (of_tasks.TAKE_TASKS, (10, LONG, NOW), 50),
    "take all tasks": (of_tasks.TAKE_TASKS, (1000, LONG, NOW), 5 * COUNT // 500),
    "read an image's tasks": (of_tasks.READ_IMAGE_TASKS, ("i7",), 4),
    "list everybody's tasks": (*page_statement(replace(OURS, project_id=None), None), 30),
    "list a project's tasks": (*page_statement(OURS, None), 30),
    "list on": (*page_statement(OURS, FIRST), 30),
    "forget tasks": (of_tasks.DROP_TASKS, (OURS.now,), 0),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_statement_reads_indexes_and_little_more_than_it_answers(full: str, case: str) -> None:
    text, values, most = CASES[case]
    nodes = await explain(full, text, values)
    assert {node["Node Type"] for node in scans(nodes)} <= {"Index Scan", "Index Only Scan"}
    assert not [node for node in nodes if "Sort" in node["Node Type"]]
    assert touched(nodes) <= most


async def test_the_names_of_objects_are_looked_up_one_by_one(full: str) -> None:
    nodes = await explain(full, of_claims.KNOWN_URLS, ("fast", URLS), of_claims.ALLOW_BITMAPS)
    used = {node.get("Index Name") for node in nodes} - {None}
    assert used == {"image_claims_store_url_key", "images_by_location"}
    assert touched(nodes) < 3 * len(URLS)
