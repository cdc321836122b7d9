"""The list of namespaces over HTTP: who sees which, filters, orders, pages (section 4.3)."""

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Client, Connect
from tests.metadefs import NAMESPACES, WHOLE, ask, made, timeless, valid
from tests.test_policy_gates import overridden


async def listed(client: Client, query: str = "", name: str = "admin") -> list[str]:
    """Name the namespaces of a page."""
    return [each["namespace"] for each in (await ask(client, "GET", query, 200, name=name))["namespaces"]]


async def three(client: Client) -> None:
    """Create three namespaces, of different owners, visibilities and types."""
    await made(client, "b", resource_type_associations=[{"name": "T", "prefix": "t_"}], visibility="public")
    await made(client, "a", resource_type_associations=[{"name": "T"}, {"name": "U"}], display_name="z")
    await made(client, "c", owner="p2", tags=[{"name": "t"}], display_name="y")


async def test_entries_have_their_fields_and_associations_and_nothing_else(client: Client) -> None:
    await ask(client, "POST", "", 201, WHOLE)
    body = await ask(client, "GET", "", 200)
    await valid(client, "namespaces", body)
    shown = await ask(client, "GET", "/OS::A", 200)
    expected = {name: each for name, each in shown.items() if name not in {"properties", "objects", "tags"}}
    assert body == {"namespaces": [expected], "first": NAMESPACES, "schema": "/v2/schemas/metadefs/namespaces"}


async def test_without_associations_there_is_no_word_of_them(client: Client) -> None:
    await made(client)
    (entry,) = (await ask(client, "GET", "", 200))["namespaces"]
    assert "resource_type_associations" not in entry


async def test_everybody_sees_what_is_public_and_their_projects(client: Client) -> None:
    await three(client)
    for name, expected in (("admin", ["c", "a", "b"]), ("ann", ["a", "b"]), ("rita", ["a", "b"]), ("bob", ["c", "b"])):
        assert await listed(client, name=name) == expected
    for name in ("mona", "nobody", "sys"):
        await ask(client, "GET", "", 404, name=name)


CHOICES: Any = [
    ("", "cab"),
    ("sort_dir=asc", "bac"),
    ("sort_key=namespace", "cba"),
    ("sort_key=namespace&sort_dir=asc", "abc"),
    ("sort_key=display_name&sort_dir=asc", "bca"),
    ("sort_key=visibility&sort_dir=asc", "acb"),
    ("sort_key=protected", "cab"),
    ("visibility=public", "b"),
    ("visibility=private", "ca"),
    ("resource_types=T", "ab"),
    ("resource_types=U,T", "ab"),
    ("resource_types=U", "a"),
    ("resource_types=U&resource_types=T", "ab"),
    ("resource_types=T&visibility=public", "b"),
    *((f"resource_types={nothing}", "") for nothing in ("", "t", "T%20", "x", "%00")),
    ("limit=0", ""),
    ("limit=2", "ca"),
    ("marker=c", "ab"),
    ("marker=c&resource_types=T&limit=1", "a"),
    ("marker=b", ""),
    ("limit=5000", "cab"),
    *((f"{ignored}=x", "cab") for ignored in ("id_list", "properties_target", "owner", "namespace", "sort", "x")),
]


async def test_parameters_choose_and_order(client: Client) -> None:
    await three(client)
    for query, expected in CHOICES:
        assert await listed(client, f"?{query}") == list(expected)


REFUSALS: Any = [
    *((f"limit={bad}", 400) for bad in ("-1", "x", "", "1.5")),
    *((f"sort_key={bad}", 400) for bad in ("id", "", "name", "tags", "created_at;drop", "%00")),
    *((f"sort_dir={bad}", 400) for bad in ("ASC", "", "up")),
    *((f"visibility={bad}", 400) for bad in ("shared", "", "Public")),
    *((f"marker={bad}", 404) for bad in ("x", "", "A", "%00", "x" * 3000)),
    ("marker=x&limit=0", 404),
    ("marker=%ff", 400),
]


async def test_what_cannot_be_asked_is_refused(client: Client) -> None:
    await three(client)
    for query, status in REFUSALS:
        await ask(client, "GET", f"?{query}", status)


async def test_an_invisible_marker_is_as_unknown_as_any(client: Client) -> None:
    await three(client)
    assert await listed(client, "?marker=a", "ann") == ["b"]
    message = await ask(client, "GET", "?marker=c", 404, name="ann")
    assert message.replace("'c'", "'x'") == await ask(client, "GET", "?marker=x", 404, name="ann")


@pytest.mark.parametrize(
    "query", ["limit=2", "limit=2&sort_key=namespace&sort_dir=asc&x=a+b%26c", "visibility=private&limit=1"]
)
async def test_links_lead_through_all_pages(client: Client, query: str) -> None:
    for number in range(5):
        await made(client, f"n {number}", visibility="public" if number % 2 else "private")
    wanted = await listed(client, f"?{query}&limit=100".replace("limit=2&", "").replace("limit=1&", ""))
    walked: list[str] = []
    page: dict[str, Any] = {"next": f"{NAMESPACES}?{query}"}
    while "next" in page:
        page = await ask(client, "GET", page["next"], 200)
        assert page["first"] == f"{NAMESPACES}?{query}"
        walked += [each["namespace"] for each in page["namespaces"]]
    assert walked == wanted


async def test_without_a_limit_the_settings_say_how_long_a_page_is(connect: Connect) -> None:
    client = await connect(limit_param_default=2, api_limit_max=3)
    for number in range(4):
        await made(client, f"n{number}")
    page = await ask(client, "GET", "", 200)
    assert (len(page["namespaces"]), page["next"]) == (2, f"{NAMESPACES}?marker=n2")
    assert len(await listed(client, "?limit=100")) == 3


async def test_what_a_rule_hides_is_left_out_and_pages_are_full(connect: Connect, tmp_path: Path) -> None:
    rule = "role:admin and not 'p2':%(project_id)s"
    client = await connect(policy=overridden(tmp_path, get_metadef_namespace=rule))
    for number in range(9):
        await made(client, f"n{number}", owner="p1" if number % 3 else "p2")
    page = await ask(client, "GET", "?limit=3", 200)
    assert [each["namespace"] for each in page["namespaces"]] == ["n8", "n7", "n5"]
    assert page["next"].endswith("marker=n5")


async def test_one_rule_of_two_refuses(connect: Connect, tmp_path: Path) -> None:
    for rule in ("get_metadef_namespaces", "list_metadef_resource_types"):
        client = await connect(policy=overridden(tmp_path, **{rule: "!"}))
        assert rule in await ask(client, "GET", "", 403, name="ann")


async def test_resource_types_are_for_every_reader_in_the_order_they_came(client: Client) -> None:
    await three(client)
    body = await ask(client, "GET", "/v2/metadefs/resource_types?limit=1", 200, name="bob")
    await valid(client, "resource_types", {})
    assert timeless(body) == {"resource_types": [{"name": "T"}, {"name": "U"}]}
    assert all(each.keys() == {"name", "created_at", "updated_at"} for each in body["resource_types"])
    await ask(client, "GET", "/v2/metadefs/resource_types", 404, name="mona")
