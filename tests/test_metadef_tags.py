"""Tags of namespaces over HTTP, one by one and in bulk (metadata definitions reference, section 8)."""

from typing import Any

import pytest

from tests.conftest import Client
from tests.metadefs import ask, made, valid

PATH = "/OS::A/tags"
TIMED = {"name", "created_at", "updated_at"}


def bodies(*names: str) -> dict[str, Any]:
    """Make the body of a bulk creation."""
    return {"tags": [{"name": name} for name in names]}


async def listed(client: Client, query: str = "") -> list[str]:
    """Name the tags of a page."""
    body = await ask(client, "GET", f"{PATH}{query}", 200)
    await valid(client, "tags", body)
    assert body.keys() == {"tags"}
    assert all(each.keys() == {"name"} for each in body["tags"])
    return [each["name"] for each in body["tags"]]


async def test_one_is_added_shown_renamed_and_deleted(client: Client) -> None:
    await made(client)
    body = await ask(client, "POST", f"{PATH}/a%20b", 201)
    await valid(client, "tag", body)
    assert (body["name"], body.keys()) == ("a b", TIMED)
    assert await ask(client, "GET", f"{PATH}/a%20b", 200) == body
    await ask(client, "POST", f"{PATH}/a%20b", 409)
    await ask(client, "POST", f"{PATH}/b", 201)
    await ask(client, "PUT", f"{PATH}/b", 409, {"name": "a b"})
    assert (await ask(client, "PUT", f"{PATH}/b", 200, {"name": "b"})).keys() == TIMED
    assert (await ask(client, "PUT", f"{PATH}/b", 200, {"name": "c"}))["name"] == "c"
    for method in ("GET", "DELETE"):
        await ask(client, method, f"{PATH}/b", 404)
    await ask(client, "PUT", f"{PATH}/b", 404, {"name": "c"})
    await ask(client, "DELETE", f"{PATH}/c", 204)
    assert await listed(client) == ["a b"]


BAD_NAMES: Any = [
    *(({"name": bad}, 400) for bad in ("", "a/b", "x" * 81, None, 5)),
    ({}, 400),
    ({"name": "a", "x": 1}, 400),
    ({"name": "a", "self": "x"}, 400),
    ({"name": "a", "created_at": "x"}, 403),
    ({"updated_at": "x"}, 403),
]


async def test_what_is_no_new_name_is_refused(client: Client) -> None:
    await made(client, tags=[{"name": "t"}])
    for body, status in BAD_NAMES:
        await ask(client, "PUT", f"{PATH}/t", status, body)
        assert await listed(client) == ["t"]


async def test_a_name_that_is_too_long_is_refused_where_the_namespace_is_known(client: Client) -> None:
    await made(client)
    assert "80" in await ask(client, "POST", f"{PATH}/{'x' * 81}", 400)
    await ask(client, "POST", f"/none/tags/{'x' * 81}", 404)
    await ask(client, "POST", f"{PATH}/a", 400, {"name": "a"})
    await ask(client, "POST", f"{PATH}/a%2Fb", 400)
    assert await listed(client) == []


async def test_a_bulk_replaces_all_and_answers_in_the_order_sent(client: Client) -> None:
    await made(client, tags=[{"name": "old"}])
    assert await ask(client, "POST", PATH, 201, bodies("b", "a", "c")) == bodies("b", "a", "c")
    assert await listed(client) == ["c", "a", "b"]


@pytest.mark.parametrize("value", ["true", "T", "Yes", "y", "ON", "1", " true "])
async def test_with_the_header_a_bulk_adds(client: Client, value: str) -> None:
    await made(client, tags=[{"name": "old"}])
    body = await ask(client, "POST", PATH, 201, bodies("new"), X_Openstack_Append=value)
    assert body == bodies("new")
    assert await listed(client) == ["new", "old"]
    await ask(client, "POST", PATH, 409, bodies("x", "old"), X_Openstack_Append=value)
    assert await listed(client) == ["new", "old"]


@pytest.mark.parametrize("value", ["False", "", "0", "append"])
async def test_with_another_header_it_replaces(client: Client, value: str) -> None:
    await made(client, tags=[{"name": "old"}])
    await ask(client, "POST", PATH, 201, bodies("new"), X_Openstack_Append=value)
    assert await listed(client) == ["new"]


BAD_BULKS: Any = [
    (bodies("a", "a"), 409),
    *((bodies(bad), 400) for bad in ("", "x" * 81, "a/b")),
    *(({"tags": bad}, 400) for bad in (None, "a", ["a"])),
    ({"tags": {}}, 400),
    ({"tags": [{}]}, 400),
    ({"tags": [{"name": "a", "x": 1}]}, 400),
    ({"tags": [{"name": "a", "created_at": "x"}]}, 400),
    ({}, 400),
    ({"tags": [], "x": 1}, 400),
    ({"name": "a"}, 400),
    ({"tags": [], "created_at": "x"}, 403),
]


async def test_a_bulk_that_cannot_be_leaves_the_old_ones(client: Client) -> None:
    await made(client, tags=[{"name": "old"}])
    for body, status in BAD_BULKS:
        await ask(client, "POST", PATH, status, body)
        await ask(client, "POST", PATH, status, body, X_Openstack_Append="true")
        assert await listed(client) == ["old"]


async def test_a_bulk_of_none_changes_nothing(client: Client) -> None:
    await made(client, tags=[{"name": "old"}])
    for append in ("true", "false"):
        assert await ask(client, "POST", PATH, 201, {"tags": []}, X_Openstack_Append=append) == {"tags": []}
    assert await listed(client) == ["old"]


async def test_all_are_deleted_at_once(client: Client) -> None:
    await made(client, tags=[{"name": "a"}, {"name": "b"}])
    for _ in range(2):
        await ask(client, "DELETE", PATH, 204)
        assert await listed(client) == []


CHOICES: Any = [
    ("", "cab"),
    ("?sort_dir=asc", "bac"),
    ("?sort_key=name", "cba"),
    ("?sort_key=name&sort_dir=asc", "abc"),
    ("?sort_key=updated_at", "cab"),
    ("?limit=2", "ca"),
    ("?limit=0", ""),
    ("?limit=", "cab"),
    ("?limit=99999", "cab"),
    ("?marker=c", "ab"),
    ("?marker=c&limit=1", "a"),
    ("?marker=", "cab"),
    ("?visibility=shared", "cab"),
    ("?x=y", "cab"),
]


async def test_parameters_choose_and_order(client: Client) -> None:
    await made(client)
    await ask(client, "POST", PATH, 201, bodies("b", "a", "c"))
    for query, expected in CHOICES:
        assert await listed(client, query) == list(expected)


REFUSALS: Any = [
    *((f"limit={bad}", 400) for bad in ("-1", "x", "1.5")),
    *((f"sort_key={bad}", 400) for bad in ("id", "", "x")),
    *((f"sort_dir={bad}", 400) for bad in ("", "ASC")),
    *((f"visibility={bad}", 400) for bad in ("", "x")),
    *((f"marker={bad}", 404) for bad in ("x", "%00", "A")),
]


async def test_what_cannot_be_asked_is_refused(client: Client) -> None:
    await made(client, tags=[{"name": "a"}])
    for query, status in REFUSALS:
        await ask(client, "GET", f"{PATH}?{query}", status)
