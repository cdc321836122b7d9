"""The route table: no route without its rule, none without a token, none that is not checked."""

import re
from collections.abc import Mapping

import pytest

from drivers.memory import MemoryStore
from drivers.metadefs.records import Add, Contents
from drivers.records import Member
from service.caller import Caller
from service.metadefs.routes import NAME, NAMESPACE, NAMESPACES
from service.policy.defaults import RULES
from service.policy.engine import Policy
from service.policy.language import Target
from service.routes import ROUTES, Route
from tests.callers import by
from tests.conformance import NOW, ONE, UNLIMITED, image
from tests.conftest import TWO_STORES, Connect
from tests.metadef_conformance import namespace

CLOSED = [route for route in ROUTES if not route.open]
RULED = [route for route in CLOSED if route.rule]


PROPERTY = {"name": "x", "title": "x", "type": "string"}
METADEF_BODIES: Mapping[tuple[str, str], object] = {
    ("POST", NAMESPACES): {"namespace": "x"},
    ("PUT", NAMESPACE): {"namespace": "x"},
    ("POST", f"{NAMESPACE}/resource_types"): {"name": "x"},
    ("POST", f"{NAMESPACE}/objects"): {"name": "x"},
    ("PUT", f"{NAMESPACE}/objects/{NAME}"): {"name": "x"},
    ("POST", f"{NAMESPACE}/properties"): PROPERTY,
    ("PUT", f"{NAMESPACE}/properties/{NAME}"): PROPERTY,
    ("POST", f"{NAMESPACE}/tags"): {"tags": [{"name": "x"}]},
    ("PUT", f"{NAMESPACE}/tags/{NAME}"): {"name": "x"},
}
# What a request needs to get as far as the policy.
BODIES: Mapping[tuple[str, str], object] = {
    ("POST", "/images"): {},
    ("PATCH", "/images/{image_id}"): [{"op": "replace", "path": "/name", "value": "x"}],
    ("POST", "/images/{image_id}/members"): {"member": "p2"},
    ("PUT", "/images/{image_id}/members/{member_id}"): {"status": "accepted"},
    ("POST", "/images/{image_id}/import"): {"method": {"name": "web-download", "uri": "http://images.example/x"}},
    ("POST", "/images/{image_id}/locations"): {"url": "http://images.example/x"},
    **METADEF_BODIES,
}
PATCH = "application/openstack-images-v2.1-json-patch"


def name(route: Route) -> str:
    """Name a route in the report."""
    return f"{route.method} {route.path}"


def path(route: Route) -> str:
    """Fill the path's braces, so that the router finds the route."""
    return "/v2" + re.sub(r"{\w+(:[^}]*)?}", ONE, route.path.replace("{store_id}", "fast"))


@pytest.fixture
def store_url() -> str:
    """Routes are the same above every driver, so one will do."""
    return "memory://"


class DenyAll(Policy):
    """A policy that lets nobody do anything, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__({})
        self.asked: list[str] = []

    def allows(self, rule: str, caller: Caller, target: Target) -> bool:
        self.asked.append(rule)
        return False

    def is_admin(self, caller: Caller) -> bool:
        return False


@pytest.mark.parametrize("route", RULED, ids=name)
async def test_every_route_asks_the_rule_it_declares(connect: Connect, store: MemoryStore, route: Route) -> None:
    await store.add(image(container_format="bare", disk_format="raw"))
    await store.metadefs.change(Add(Contents(namespace(ONE))))
    await store.add_member(Member(image_id=ONE, member_id=ONE, created_at=NOW, updated_at=NOW), quota=UNLIMITED)
    policy = DenyAll()
    client = await connect(policy=policy, stores=TWO_STORES)
    body = BODIES.get((route.method, route.path))
    headers = by("ann", Content_Type=PATCH) if route.method == "PATCH" else by("ann")
    response = await client.request(route.method, path(route), json=body, headers=headers)
    assert response.status in {403, 404}
    assert route.rule in policy.asked


@pytest.mark.parametrize("route", CLOSED, ids=name)
async def test_every_closed_route_needs_a_token(connect: Connect, route: Route) -> None:
    client = await connect()
    response = await client.request(route.method, path(route))
    assert response.status == 401


def test_every_rule_a_route_declares_has_a_default() -> None:
    assert {route.rule for route in RULED} <= {rule.name for rule in RULES}


def test_routes_without_a_rule_are_the_ones_the_reference_leaves_open_to_any_token() -> None:
    assert {route.path for route in CLOSED if route.rule is None} == {
        *("", "/schemas/{name}", "/schemas/metadefs/{name}", "/info/import", "/info/stores", "/info/usage")
    }
