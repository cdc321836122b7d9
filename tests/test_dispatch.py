"""The tree of routes finds what the framework's router finds, or leaves it to that."""

from random import Random

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from drivers.memory import MemoryStore
from service.app import make_app
from service.dispatch import RouteTree
from service.keys import ROUTE_TREE
from service.policy.engine import load_policy
from service.routes import ROUTES, Route
from service.settings import Settings
from tests.callers import people
from tests.conformance import ONE

WORDS = sorted({"v2", "v2.17", "v3", *(word for route in ROUTES for word in route.path.split("/"))})
SEGMENTS = st.sampled_from([*WORDS, ONE, "{}", "%2F", "x%20y", "ü", "*"])
PATHS = st.lists(SEGMENTS, max_size=6).map(lambda segments: "/" + "/".join(segments))
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])


@pytest.fixture(scope="module")
def app() -> web.Application:
    """Give the application, which is not served."""
    return make_app(Settings(), MemoryStore(), people(), load_policy(None), Random(1))


@given(method=METHODS, path=PATHS)
async def test_the_tree_and_the_router_agree(app: web.Application, method: str, path: str) -> None:
    request = make_mocked_request(method, path, app=app)
    found = app[ROUTE_TREE].find(method, request.rel_url.raw_path)
    resolved = await app.router.resolve(request)
    assert found is None or (found, found.route) == (resolved, resolved.route)


@pytest.mark.parametrize("route", [route for route in ROUTES if not route.open], ids=lambda route: route.path)
@pytest.mark.parametrize("version", ["v2", "v2.7"])
def test_every_route_of_the_api_is_in_the_tree(app: web.Application, version: str, route: Route) -> None:
    path = f"/{version}{route.path}".replace("{", "").replace("}", "")
    found = app[ROUTE_TREE].find(route.method, path)
    assert found is not None
    assert all(name == value for name, value in found.items())


def test_a_word_goes_before_a_name() -> None:
    router, tree = web.UrlDispatcher(), RouteTree()
    for path in ("/a/{b}/c", "/a/b"):
        tree.add(router.add_get(path, _nothing), path)
    assert tree.find("GET", "/a/b/c") is None  # so that the router decides, which looks back
    assert tree.find("GET", "/a/x/c") == {"b": "x"}


async def _nothing(request: web.Request) -> web.Response:
    return web.Response()
