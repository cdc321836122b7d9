"""List images: pages, filters, orders and links over HTTP, on both drivers."""

from typing import Any

import pytest
from msgspec.structs import replace

from drivers.protocol import ImageStore
from drivers.records import Location
from service.policy.engine import load_policy
from tests.callers import OTHER, OWNER, by
from tests.conformance import LATER, NEVER, UNLIMITED, fill, full_image, image, member, numbered
from tests.conftest import Client, Connect
from tests.listing import listed, numbers, refusal


async def test_an_empty_catalogue_is_an_empty_page(client: Client) -> None:
    assert await listed(client) == {"images": [], "first": "/v2/images", "schema": "/v2/schemas/images"}


async def test_each_image_is_said_as_when_it_is_shown_alone(client: Client, store: ImageStore) -> None:
    await store.add(replace(full_image(), os_hidden=False))
    await store.add(image(numbered(1)))
    page = await listed(client)
    for each in page["images"]:
        shown = await client.get(each["self"], headers=by("ann"))
        assert each == await shown.json()
    assert len(page["images"]) == 2


async def test_an_image_that_changes_is_never_listed_as_it_was(client: Client, store: ImageStore) -> None:
    kept, newest = image(numbered(1)), image(numbered(2), created_at=LATER)
    for each in (kept, newest):
        await store.add(each)
    for number in range(4):
        kept = await store.save(replace(kept, name=f"name-{number}"))
        for _ in range(2):
            assert [each["name"] for each in (await listed(client))["images"]] == [newest.name, kept.name]
        behind = (await listed(client, f"?marker={newest.id}"))["images"]
        assert [each["name"] for each in behind] == [kept.name]


async def test_text_is_sent_as_utf8_and_not_escaped(client: Client, store: ImageStore) -> None:
    await store.add(image(name="é☃"))
    response = await client.get("/v2/images", headers=by("ann"))
    assert "é☃".encode() in await response.read()


async def test_the_newest_come_first(client: Client, store: ImageStore) -> None:
    await fill(store, {}, {}, {})
    assert await numbers(client) == [2, 1, 0]


class TestWhoSeesWhat:
    """The list column of the matrix in reference section 3.5."""

    @pytest.fixture(autouse=True)
    async def images(self, store: ImageStore) -> None:
        made = await fill(
            store,
            *({"visibility": each} for each in ("public", "community", "private", "shared")),
            *({"visibility": each, "owner": OTHER} for each in ("public", "community", "private", "shared")),
            {"os_hidden": True},
        )
        await store.add_member(member(OTHER, made[3]), quota=UNLIMITED)

    @pytest.mark.parametrize(
        ("name", "query", "expected"),
        [
            ("ann", "", {0, 1, 2, 3, 4}),
            ("ann", "?visibility=public", {0, 4}),
            ("ann", "?visibility=community", {1, 5}),
            ("ann", "?visibility=private", {2}),
            ("ann", "?visibility=shared", {3}),
            ("ann", "?visibility=all", {0, 1, 2, 3, 4, 5}),
            ("ann", "?visibility=", set()),
            ("ann", "?os_hidden=true", {8}),
            ("ann", "?os_hidden=True", {8}),
            ("ann", "?os_hidden=FALSE", {0, 1, 2, 3, 4}),
            ("rita", "", {0, 1, 2, 3, 4}),
            ("bob", "", {0, 4, 5, 6, 7}),
            ("bob", "?member_status=pending", {0, 3, 4, 5, 6, 7}),
            ("bob", "?member_status=rejected", {0, 4, 5, 6, 7}),
            ("bob", "?member_status=all&visibility=shared", {3, 7}),
            ("bob", "?os_hidden=true", set()),
            ("admin", "", {0, 2, 3, 4, 6, 7}),
            ("admin", "?visibility=community", {1, 5}),
            ("admin", "?visibility=all", {0, 1, 2, 3, 4, 5, 6, 7}),
            ("admin", "?member_status=rejected", {0, 2, 3, 4, 6, 7}),
            ("admin", f"?owner={OTHER}", {4, 6, 7}),
            ("ann", f"?owner={OTHER}", {4}),
            ("bob", f"?owner={OWNER}&member_status=all", {0, 3}),
        ],
    )
    async def test_the_matrix(self, client: Client, name: str, query: str, expected: set[int]) -> None:
        assert set(await numbers(client, query, name)) == expected

    async def test_an_accepted_image_is_listed_by_default(self, client: Client, store: ImageStore) -> None:
        await store.set_member_status(numbered(3), OTHER, "accepted", LATER)
        assert 3 in await numbers(client, "", "bob")

    @pytest.mark.parametrize("name", ["mona", "nobody", "sys"])
    async def test_a_caller_who_may_not_read_is_refused_before_the_query_is_read(
        self, client: Client, name: str
    ) -> None:
        response = await client.get("/v2/images?limit=many", headers=by(name))
        assert response.status == 403
        assert "get_images" in await response.text()


class TestPaging:
    @pytest.fixture(autouse=True)
    async def images(self, store: ImageStore) -> None:
        await fill(store, *({"name": "ab"[number % 2], "tags": ("x", "y")} for number in range(6)))

    async def test_next_leads_from_page_to_page_to_one_that_comes_short(self, client: Client) -> None:
        page = await listed(client, "?limit=4")
        assert page["next"] == f"/v2/images?limit=4&marker={numbered(2)}"
        last = await listed(client, page["next"].removeprefix("/v2/images"))
        assert [each["id"] for each in last["images"]] == [numbered(1), numbered(0)]
        assert "next" not in last
        assert last["first"] == page["first"] == "/v2/images?limit=4"

    async def test_the_page_after_an_exact_fit_is_empty(self, client: Client) -> None:
        page = await listed(client, "?limit=6")
        after = await listed(client, page["next"].removeprefix("/v2/images"))
        assert (after["images"], "next" in after) == ([], False)

    async def test_no_limit_means_the_operators_default(self, connect: Connect) -> None:
        client = await connect(limit_param_default=2)
        page = await listed(client)
        assert [each["id"] for each in page["images"]] == [numbered(5), numbered(4)]
        assert page["next"] == f"/v2/images?marker={numbered(4)}"

    async def test_no_limit_goes_over_the_operators_maximum_and_links_repeat_what_was_sent(
        self, connect: Connect
    ) -> None:
        client = await connect(api_limit_max=3)
        page = await listed(client, "?limit=200")
        assert len(page["images"]) == 3
        assert page["next"] == f"/v2/images?limit=200&marker={numbered(3)}"

    async def test_a_limit_of_0_is_an_empty_page_without_a_next(self, client: Client) -> None:
        page = await listed(client, "?limit=0")
        assert (page["images"], "next" in page) == ([], False)

    @pytest.mark.parametrize("limit", ["", "1.5", "x", "-1", "0x1", "1e3", "%00", "9" * 5000])
    async def test_a_limit_that_is_no_count_is_a_bad_request(self, client: Client, limit: str) -> None:
        assert "limit" in await refusal(client, f"?limit={limit}")

    async def test_a_limit_beyond_any_column_is_the_maximum(self, client: Client) -> None:
        assert len(await numbers(client, f"?limit={10**30}")) == 6

    @pytest.mark.parametrize("marker", ["", "x", NEVER, "%00", "%F0%9F%98%80", numbered(1) + "0"])
    async def test_a_marker_that_is_no_image_is_a_bad_request(self, client: Client, marker: str) -> None:
        for limit in ("", "&limit=0"):
            assert "marker" in await refusal(client, f"?marker={marker}{limit}")

    async def test_a_marker_that_was_deleted_or_cannot_be_seen_is_a_bad_request(
        self, client: Client, store: ImageStore
    ) -> None:
        await refusal(client, f"?marker={numbered(3)}", "bob")
        await store.delete(numbered(3), 1, LATER)
        await refusal(client, f"?marker={numbered(3)}", "admin")

    async def test_links_keep_repeated_parameters(self, client: Client) -> None:
        query = "?tag=x&sort_key=name&tag=y&sort_key=id&sort_dir=asc&sort_dir=desc&limit=1"
        page = await listed(client, query)
        assert page["first"] == f"/v2/images{query}"
        assert page["next"] == f"/v2/images{query}&marker={page['images'][0]['id']}"
        met = []
        while "next" in page:
            met.append(int(page["images"][0]["id"][-12:]))
            page = await listed(client, page["next"].removeprefix("/v2/images"))
        assert met == [4, 2, 0, 5, 3, 1]

    async def test_links_are_form_encoded_in_the_order_sent_with_the_marker_last(self, client: Client) -> None:
        query = f"?b+c=in%3a%22%20,%2F&marker={numbered(5)}&name=eq:a&limit=&limit=2&flag"
        page = await listed(client, query.replace("b+c=in%3a%22%20,%2F&", "").replace("&flag", ""))
        assert page["first"] == "/v2/images?name=eq%3Aa&limit=&limit=2"
        assert page["next"] == f"/v2/images?name=eq%3Aa&limit=&limit=2&marker={numbered(2)}"
        assert (await listed(client, query))["first"] == (
            "/v2/images?b+c=in%3A%22+%2C%2F&name=eq%3Aa&limit=&limit=2&flag="
        )

    async def test_every_version_links_to_v2(self, client: Client) -> None:
        response = await client.get("/v2.7/images?limit=1", headers=by("ann"))
        assert (await response.json())["next"].startswith("/v2/images?limit=1&marker=")

    async def test_a_body_is_ignored(self, client: Client) -> None:
        response = await client.get("/v2/images", data=b"x", headers=by("ann"))
        assert response.status == 200

    async def test_a_trailing_slash_is_another_path(self, client: Client) -> None:
        assert (await client.get("/v2/images/", headers=by("ann"))).status == 404


class TestSorting:
    @pytest.fixture(autouse=True)
    async def images(self, store: ImageStore) -> None:
        await fill(store, {"name": "b", "size": 1}, {"name": "a", "size": 2}, {"name": "a"}, {"size": 2})

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("", [3, 2, 1, 0]),
            ("?sort_dir=asc", [0, 1, 2, 3]),
            ("?sort=name:asc", [3, 1, 2, 0]),
            ("?sort=name", [0, 2, 1, 3]),
            ("?sort=name:", [0, 2, 1, 3]),
            ("?sort=+name+:+asc+,size", [3, 1, 2, 0]),
            ("?sort=size:asc,name:desc", [2, 0, 1, 3]),
            ("?sort_key=name&sort_dir=asc", [3, 1, 2, 0]),
            ("?sort_key=name", [0, 2, 1, 3]),
            ("?sort_key=size&sort_key=name&sort_dir=asc", [2, 0, 3, 1]),
            ("?sort_key=size&sort_dir=desc&sort_key=name&sort_dir=asc", [3, 1, 0, 2]),
            ("?sort=name,name:asc", [0, 2, 1, 3]),
            ("?sort_key=status&sort_key=disk_format&sort_dir=+asc", [0, 1, 2, 3]),
            ("?sort=status:asc,disk_format:asc", [3, 2, 1, 0]),
        ],
    )
    async def test_an_order_is_asked_for_in_either_way(self, client: Client, query: str, expected: list[int]) -> None:
        assert await numbers(client, query) == expected
        met: list[int] = []
        page = await listed(client, f"{query or '?'}&limit=1")
        while page["images"]:
            met.append(int(page["images"][0]["id"][-12:]))
            page = await listed(client, page["next"].removeprefix("/v2/images"))
        assert met == expected

    @pytest.mark.parametrize(
        "query",
        [
            "sort=owner",
            "sort=",
            "sort=name,",
            "sort=name:up",
            "sort=name:ASC",
            "sort=name:asc:desc",
            "sort=name&sort_key=name",
            "sort=name&sort_dir=asc",
            "sort_key=",
            "sort_key=tags",
            "sort_dir=",
            "sort_dir=up",
            "sort_dir=asc&sort_dir=asc",
            "sort_key=name&sort_dir=asc&sort_dir=asc",
            "sort_key=name&sort_key=id&sort_key=size&sort_dir=asc&sort_dir=asc",
        ],
    )
    async def test_an_order_that_means_nothing_is_a_bad_request(self, client: Client, query: str) -> None:
        assert "sort" in await refusal(client, f"?{query}")

    async def test_a_second_sort_is_a_bad_request_and_no_property(self, client: Client) -> None:
        assert "twice" in await refusal(client, "?sort=name&sort=size")


class TestLocations:
    """The guarded fields of rows (reference section 3.4), as in a show."""

    async def test_each_row_shows_what_its_caller_may_see(self, connect: Connect, store: ImageStore) -> None:
        client = await connect(show_image_direct_url=True)
        where = (Location("file:///a", {"store": "fast"}),)
        await fill(
            store,
            {"visibility": "public", "locations": where},
            {"visibility": "public", "locations": where, "owner": OTHER},
            {"visibility": "public", "locations": where, "status": "deactivated"},
        )
        rows = (await listed(client))["images"]
        assert ["direct_url" in row for row in rows] == [False, False, True]
        assert ["direct_url" in row for row in (await listed(client, "", "admin"))["images"]] == [True, True, True]


class TestPolicy:
    """An operator's `get_image` hides rows; paging goes on behind them."""

    @pytest.fixture
    async def strict(self, connect: Connect, tmp_path: Any) -> Client:
        (tmp_path / "policy.yaml").write_text("get_image: \"'yes':%(shown)s\"\n")
        return await connect(policy=load_policy(str(tmp_path / "policy.yaml")))

    async def test_rows_it_hides_are_left_out_and_no_row_is_lost(self, strict: Client, store: ImageStore) -> None:
        shown = {0, 7, 8, 30}
        await fill(store, *({"properties": {"shown": "yes"} if number in shown else {}} for number in range(40)))
        met: list[int] = []
        page = await listed(strict, "?limit=1")
        while "next" in page:
            met += [int(each["id"][-12:]) for each in page["images"]]
            assert page["next"].endswith(page["images"][-1]["id"])
            page = await listed(strict, page["next"].removeprefix("/v2/images"))
        assert met == [30, 8, 7, 0]

    async def test_a_policy_that_hides_all_gives_an_empty_page(self, strict: Client, store: ImageStore) -> None:
        await fill(store, *({} for _ in range(30)))
        page = await listed(strict, "?limit=2")
        assert (page["images"], "next" in page) == ([], False)
