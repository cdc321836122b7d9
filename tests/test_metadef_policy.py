"""Who may do what with metadata definitions: the gates and the rules (sections 3.2, 3.3 and 10)."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from drivers.memory import MemoryStore
from drivers.protocol import ImageStore
from service.metadefs.routes import METADEF_ROUTES, NAME, NAMESPACE
from service.route import Route
from tests.callers import by
from tests.conftest import Client, Connect
from tests.metadefs import FRAGMENT, PROPERTY, ask, made
from tests.test_policy_gates import overridden
from tests.test_routes import METADEF_BODIES

CHILDREN: dict[str, Any] = {
    "resource_type_associations": [{"name": "x"}],
    "objects": [{"name": "x"}],
    "properties": {"x": FRAGMENT},
    "tags": [{"name": "x"}],
}
INSIDE = [route for route in METADEF_ROUTES if route.path.startswith(NAMESPACE)]
READS = [route for route in INSIDE if route.method == "GET"]
WRITES = [route for route in INSIDE if route.method != "GET"]


@pytest.fixture
def store_url() -> str:
    """Policy is above the drivers, so one of them will do."""
    return "memory://"


def named(route: Route) -> str:
    """Name a route in the report."""
    return f"{route.method} {route.path}"


async def call(client: Client, route: Route, namespace: str, name: str) -> int:
    """Call a route of a namespace that has an `x` of each kind; give the status."""
    path = "/v2" + route.path.replace(NAMESPACE, f"/metadefs/namespaces/{namespace}").replace(NAME, "x")
    body = METADEF_BODIES.get((route.method, route.path))
    response = await client.request(route.method, path, json=body, headers=by(name))
    return response.status


@pytest.fixture
async def filled(client: Client) -> Client:
    """Give a client with a public namespace and a private one, both of p1, with an item of each kind."""
    for visibility in ("public", "private"):
        await made(client, visibility, visibility=visibility, **CHILDREN)
    return client


@pytest.mark.parametrize("route", READS, ids=named)
async def test_a_reader_reads_what_is_public_or_the_projects(filled: Client, route: Route) -> None:
    for name, public, private in (
        *(("ann", 200, 200), ("rita", 200, 200), ("bob", 200, 404), ("admin", 200, 200)),
        *(("mona", 404, 404), ("nobody", 404, 404), ("sys", 404, 404)),
    ):
        assert await call(filled, route, "public", name) == public, name
        assert await call(filled, route, "private", name) == private, name
        assert await call(filled, route, "nothing", name) == 404, name


@pytest.mark.parametrize("route", WRITES, ids=named)
async def test_only_an_admin_writes_and_nobody_else_learns_what_they_cannot_see(filled: Client, route: Route) -> None:
    for name, public, private in (("ann", 403, 403), ("bob", 403, 404), ("mona", 404, 404), ("sys", 404, 404)):
        assert await call(filled, route, "public", name) == public, name
        assert await call(filled, route, "private", name) == private, name
        assert await call(filled, route, "nothing", name) == 404, name
    assert await call(filled, route, "private", "admin") in {200, 201, 204, 409}


@pytest.mark.parametrize("route", INSIDE, ids=named)
async def test_each_route_can_be_closed_by_its_rule(connect: Connect, tmp_path: Path, route: Route) -> None:
    assert route.rule
    client = await connect(policy=overridden(tmp_path, **{route.rule: "!"}))
    await ask(client, "POST", "", 201, {"namespace": "n"})
    assert await call(client, route, "n", "admin") == (404 if route.rule == "get_metadef_namespace" else 403)


@pytest.mark.parametrize("route", INSIDE, ids=named)
async def test_who_may_not_know_of_a_namespace_is_told_nothing(
    connect: Connect, store: MemoryStore, tmp_path: Path, route: Route
) -> None:
    await made(await connect(), "n", **CHILDREN)
    client = await connect(
        policy=overridden(tmp_path, **dict.fromkeys(("get_metadef_namespace", route.rule or ""), "!"))
    )
    assert await call(client, route, "n", "ann") == 404


@pytest.mark.parametrize(
    "rule",
    ["list_metadef_resource_types", "get_metadef_objects", "get_metadef_properties", "get_metadef_tags"],
)
async def test_a_show_asks_for_all_that_it_shows(connect: Connect, tmp_path: Path, rule: str) -> None:
    client = await connect(policy=overridden(tmp_path, **{rule: "!"}))
    await made(client)
    assert rule in await ask(client, "GET", "/OS::A", 403)


@pytest.mark.parametrize(("kind", "rule"), [
    ("resource_type_associations", "add_metadef_resource_type_association"), ("objects", "add_metadef_object"),
    ("properties", "add_metadef_property"), ("tags", "add_metadef_tag"),
])  # fmt: skip
async def test_a_creation_asks_for_every_kind_of_child(connect: Connect, tmp_path: Path, kind: str, rule: str) -> None:
    client = await connect(policy=overridden(tmp_path, **{rule: "!"}))
    assert rule in await ask(client, "POST", "", 403, {"namespace": "a", kind: CHILDREN[kind]})
    await ask(client, "GET", "/a", 404)
    await ask(client, "POST", "", 201, {"namespace": "a", kind: type(CHILDREN[kind])()})


async def test_who_sees_no_namespace_of_the_own_project_creates_none(client: Client) -> None:
    await ask(client, "POST", "", 403, {"namespace": "a"}, name="ann")
    await ask(client, "POST", "", 404, {"namespace": "a"}, name="mona")
    await ask(client, "POST", "", 400, {}, name="mona")


@pytest.mark.parametrize(("path", "rule", "empty"), [
    ("objects", "get_metadef_object", {"objects": [], "schema": "/v2/schemas/metadefs/objects"}),
    ("resource_types", "get_metadef_resource_type", {"resource_type_associations": []}),
])  # fmt: skip
async def test_what_a_rule_hides_is_left_out_of_a_list(
    connect: Connect, tmp_path: Path, path: str, rule: str, empty: Mapping[str, object]
) -> None:
    client = await connect(policy=overridden(tmp_path, **{rule: "!"}))
    await made(client, **CHILDREN)
    assert await ask(client, "GET", f"/OS::A/{path}", 200) == empty


async def test_a_property_on_a_resource_type_asks_for_that_too(connect: Connect, tmp_path: Path) -> None:
    client = await connect(policy=overridden(tmp_path, get_metadef_resource_type="!"))
    await made(client, **CHILDREN)
    await ask(client, "GET", "/OS::A/properties/x", 200)
    await ask(client, "GET", "/OS::A/properties/x?resource_type=x", 403)


async def test_all_tags_go_by_two_rules(connect: Connect, tmp_path: Path) -> None:
    client = await connect(policy=overridden(tmp_path, delete_metadef_tags="!"))
    await made(client, **CHILDREN)
    assert "delete_metadef_tags" in await ask(client, "DELETE", "/OS::A/tags", 403)
    await ask(client, "DELETE", "/OS::A/tags/x", 204)


async def test_a_reader_gets_403_even_for_what_is_not_there(filled: Client) -> None:
    await ask(filled, "PUT", "/public/properties/none", 403, PROPERTY, name="bob")
    await ask(filled, "DELETE", "/public/tags/none", 403, name="bob")


@pytest.mark.parametrize("route", INSIDE, ids=named)
async def test_no_rule_opens_what_the_caller_may_not_know_of(connect: Connect, tmp_path: Path, route: Route) -> None:
    client = await connect(
        policy=overridden(tmp_path, **dict.fromkeys(("get_metadef_namespace", route.rule or ""), "@"))
    )
    await made(client, "n", **CHILDREN)
    assert await call(client, route, "n", "bob") == 404


async def test_where_members_are_let_in_they_change_what_they_see(connect: Connect, tmp_path: Path) -> None:
    client = await connect(policy=overridden(tmp_path, metadef_admin="role:member"))
    await made(client, "a", visibility="public")
    await made(client, "b")
    await ask(client, "POST", "/a/tags/t", 201, name="bob")
    await ask(client, "POST", "/b/tags/t", 404, name="bob")
    assert (await ask(client, "POST", "", 201, {"namespace": "c"}, name="bob"))["owner"] == "p2"


class Without(MemoryStore):
    """A store of images that keeps no metadata definitions."""

    def __init__(self) -> None:
        super().__init__()
        self.metadefs = None  # type: ignore[assignment]  # what a driver offers that begins with this one


class TestAStoreWithout:
    @pytest.fixture
    def store(self) -> ImageStore:
        return Without()

    @pytest.mark.parametrize("route", METADEF_ROUTES, ids=named)
    async def test_every_route_is_404(self, client: Client, route: Route) -> None:
        path = "/v2" + re.sub(r"{(\w+)(:[^}]*)?}", "x", route.path)
        response = await client.request(route.method, path, headers=by("admin"))
        assert response.status == 404
        assert "Allow" not in response.headers

    async def test_the_documentation_does_not_tell_of_them_and_the_rest_is_there(self, client: Client) -> None:
        document = await (await client.get("/openapi.json")).json()
        assert not [path for path in document["paths"] if "metadefs" in path]
        assert (await client.get("/v2/schemas/image", headers=by("admin"))).status == 200
        assert (await client.get("/versions")).status == 200
