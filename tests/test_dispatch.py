"""What the prompt routes find is what the framework's router finds; the rest is left to that."""

from random import Random

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from drivers.memory import MemoryStore
from service.app import make_app
from service.dispatch import PromptRoutes
from service.keys import PROMPT_ROUTES
from service.policy.engine import load_policy
from service.routes import ROUTES
from service.settings import Settings
from tests.callers import people
from tests.conformance import ONE
from tests.stores import one_store

WORDS = sorted({"v2", "v2.17", "v3", *(word for route in ROUTES for word in route.path.split("/"))})
SEGMENTS = st.sampled_from([*WORDS, ONE, "{}", "%2F", "x%20y", "ü", "*"])
PATHS = st.lists(SEGMENTS, max_size=6).map(lambda segments: "/" + "/".join(segments))
IMAGES = st.sampled_from(["/v2/images/", "/v2.17/images/", "/images/"])
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])


@pytest.fixture(scope="module")
def app() -> web.Application:
    """Give the application, which is not served."""
    return make_app(Settings(), MemoryStore(), one_store(), people(), load_policy(None), Random(1))


@given(method=METHODS, path=PATHS | st.builds(str.__add__, IMAGES, SEGMENTS))
async def test_what_is_found_is_what_the_router_finds(app: web.Application, method: str, path: str) -> None:
    request = make_mocked_request(method, path, app=app)
    found = app[PROMPT_ROUTES].find(method, request.rel_url.raw_path)
    resolved = await app.router.resolve(request)
    assert found is None or (found, found.route) == (resolved, resolved.route)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("version", ["/v2", "/v2.7", ""])
def test_showing_an_image_is_prompt(app: web.Application, method: str, version: str) -> None:
    assert app[PROMPT_ROUTES].find(method, f"{version}/images/{ONE}") == {"image_id": ONE}


@pytest.mark.parametrize("path", ["/a/{b}/c", "/a/{b}/{c}", "/a"])
def test_a_path_that_could_not_be_found_again_is_refused(path: str) -> None:
    route = web.UrlDispatcher().add_get(path, _nothing)
    with pytest.raises(ValueError, match="one name"):
        PromptRoutes().add(route, path)


async def _nothing(request: web.Request) -> web.Response:
    return web.Response()
