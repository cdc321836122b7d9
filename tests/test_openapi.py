"""The documentation and the service agree: on every route, and on every answer that can be provoked."""

import json
import re
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from jsonschema import ValidationError
from openapi_spec_validator import OpenAPIV31SpecValidator

from drivers.errors import StoreUnavailable
from drivers.memory import MemoryStore
from drivers.records import View
from service.app import make_app
from service.data.stores import opened_stores
from service.demo import CIRROS
from service.keys import DOCUMENTATION, DRAINING, SCHEMAS
from service.policy.engine import load_policy
from service.routes import ROUTES, Route
from service.settings import Settings
from tests.callers import by, people
from tests.conformance import NEVER
from tests.conftest import TWO_STORES, Client
from tests.documented import answers_as_documented
from tests.test_routes import CLOSED, name

SHOW = f"/v2/images/{CIRROS.id}"
METHODS = {"get", "head", "post", "put", "patch", "delete", "options", "trace"}


class Flaky(MemoryStore):
    """A store with one image, which raises whatever a test puts into `failure`."""

    failure: Exception | None = None

    async def get(self, image_id: str, project_id: str | None, *, locations: bool = False) -> View:
        if self.failure:
            raise self.failure
        return await super().get(image_id, project_id, locations=locations)


@pytest.fixture
async def store() -> Flaky:
    """Give the store with the seed image."""
    store = Flaky()
    await store.add(CIRROS)
    return store


@pytest.fixture
async def app(store: Flaky) -> AsyncIterator[web.Application]:
    """Give the application, every option on that shows more."""
    settings = Settings(show_image_direct_url=True, show_multiple_locations=True, stores=TWO_STORES)
    async with opened_stores(settings) as stores:
        yield make_app(settings, store, stores, people(), load_policy(None), Random(1))


@pytest.fixture
def document(app: web.Application) -> dict[str, Any]:
    """Give the document as the application serves it."""
    document: dict[str, Any] = json.loads(app[DOCUMENTATION].document)
    return document


@pytest.fixture
async def client(
    app: web.Application, document: dict[str, Any]
) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """Give a client that compares every answer with the document."""
    async with TestClient(TestServer(app), middlewares=(answers_as_documented(document),)) as client:
        yield client


def documented_path(route: Route) -> str:
    """Say a route's path as OpenAPI does, which has no patterns in its braces."""
    return ("" if route.open else "/v2") + re.sub(r"{(\w+):[^}]*}", r"{\1}", route.path)


class TestTheDocument:
    """What it says, against the table of routes."""

    def test_it_is_valid_openapi_3_1(self, document: dict[str, Any]) -> None:
        assert document["openapi"] == "3.1.0"
        OpenAPIV31SpecValidator(document).validate()

    @pytest.mark.parametrize("route", ROUTES, ids=name)
    def test_every_route_is_there(self, document: dict[str, Any], route: Route) -> None:
        operation = document["paths"][documented_path(route)]["get" if route.method == "*" else route.method.lower()]
        assert operation["summary"]
        named = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)", route.path))

    def test_nothing_else_is_there(self, document: dict[str, Any]) -> None:
        documented = {(method, path) for path, item in document["paths"].items() for method in item.keys() & METHODS}
        assert len(documented) == len(ROUTES)

    @pytest.mark.parametrize("route", ROUTES, ids=name)
    def test_a_route_asks_for_a_token_unless_it_is_open(self, document: dict[str, Any], route: Route) -> None:
        for operation in document["paths"][documented_path(route)].values():
            security = operation.get("security", document["security"])
            assert security == [] if route.open else {"X-Auth-Token": []} in security

    @pytest.mark.parametrize("route", CLOSED, ids=name)
    def test_a_route_says_which_body_it_takes(self, document: dict[str, Any], route: Route) -> None:
        # Others may be sent one as well, but it means nothing there.
        takes = route.body and route.method in {"POST", "PUT", "PATCH"}
        assert takes == ("requestBody" in document["paths"][documented_path(route)][route.method.lower()])

    def test_the_token_is_a_header(self, document: dict[str, Any]) -> None:
        scheme = document["components"]["securitySchemes"]["X-Auth-Token"]
        assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "X-Auth-Token")

    @pytest.mark.parametrize("route", CLOSED, ids=name)
    def test_a_route_that_needs_a_token_says_all_that_can_go_wrong(
        self, document: dict[str, Any], route: Route
    ) -> None:
        expected = {"300", "400", "401", "405", "500", "503"}
        expected |= {"403"} if route.rule else set()
        expected |= {"404"} if "{" in route.path else set()
        operation = document["paths"][documented_path(route)][route.method.lower()]
        assert operation["responses"].keys() >= expected

    def test_errors_are_documented_in_all_three_shapes(self, document: dict[str, Any]) -> None:
        answers = document["paths"]["/v2/images/{image_id}"]["get"]["responses"]
        for status in ("400", "401", "403", "404", "405", "500", "503"):
            assert answers[status]["content"].keys() == {"application/json", "text/html", "text/plain"}

    def test_an_image_may_have_more_fields_if_they_are_strings(self, document: dict[str, Any]) -> None:
        assert document["components"]["schemas"]["ImageBody"]["additionalProperties"] == {"type": "string"}

    def test_every_schema_can_be_chosen(self, app: web.Application, document: dict[str, Any]) -> None:
        name, *_ = document["paths"]["/v2/schemas/{name}"]["get"]["parameters"]
        assert name["schema"]["enum"] == sorted(app[SCHEMAS].keys())


class TestAnswers:
    """Real answers of every documented status; the client of these tests fails at one that is not as documented."""

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    async def test_an_image_that_is_shown(self, client: Client, method: str) -> None:
        response = await client.request(method, SHOW, headers=by("ann"))
        assert response.status == 200

    async def test_an_image_that_has_not_changed(self, client: Client) -> None:
        assert (await client.get(SHOW, headers=by("ann", If_None_Match="*"))).status == 304

    @pytest.mark.parametrize("accept", ["application/json", "text/html", "text/plain"])
    @pytest.mark.parametrize(
        ("status", "method", "path", "token"),
        [
            (400, "GET", "/v2/images/%00", "ann"),
            (401, "GET", SHOW, "nonsense"),
            (403, "GET", "/v2/images", "sys"),
            (404, "GET", f"/v2/images/{NEVER}", "ann"),
            (404, "GET", "/v2/schemas/nothing", "ann"),
            (404, "GET", "/docs/nothing", "ann"),
            (405, "PUT", SHOW, "ann"),
            (405, "POST", "/docs", "ann"),
        ],
    )
    async def test_a_request_that_is_refused(
        self, client: Client, status: int, method: str, path: str, token: str, accept: str
    ) -> None:
        response = await client.request(method, path, headers=by(token, Accept=accept))
        assert (response.status, response.content_type) == (status, accept)

    @pytest.mark.parametrize("accept", ["application/json", "text/html", "text/plain"])
    @pytest.mark.parametrize(("status", "failure"), [(503, StoreUnavailable("away")), (500, ZeroDivisionError())])
    async def test_a_request_that_fails(
        self, client: Client, store: Flaky, status: int, failure: Exception, accept: str
    ) -> None:
        store.failure = failure
        response = await client.get(SHOW, headers=by("ann", Accept=accept))
        assert (response.status, response.content_type) == (status, accept)

    @pytest.mark.parametrize("route", CLOSED, ids=name)
    async def test_a_version_that_is_not_served(self, client: Client, route: Route) -> None:
        path = re.sub(r"{\w+}", "x", documented_path(route))
        accept = "application/vnd.openstack.images-v9"
        assert (await client.request(route.method, path, headers={"Accept": accept})).status == 300

    async def test_other_versions_answer_as_v2_does(self, client: Client) -> None:
        for path in (SHOW.replace("/v2/", "/v2.7/"), SHOW.replace("/v2/", "/")):
            accept = "application/vnd.openstack.images-v2.7"
            assert (await client.get(path, headers=by("ann", Accept=accept))).status == 200

    @pytest.mark.parametrize(
        ("status", "path"),
        [
            (200, "/v2/schemas/image"),
            (302, "/v2"),
            (300, "/"),
            (200, "/versions"),
            (200, "/versions/"),
            (200, "/versions/v2.0/x"),
            (200, "/healthcheck"),
            (200, "/livez"),
            (200, "/readyz"),
            (200, "/docs"),
            (200, "/docs/swagger-ui-bundle.js"),
            (200, "/docs/swagger-ui.css"),
            (200, "/docs/favicon-32x32.png"),
            (200, "/docs/start.js"),
            (200, "/openapi.json"),
        ],
    )
    async def test_every_other_route(self, client: Client, status: int, path: str) -> None:
        assert (await client.get(path, headers=by("ann"), allow_redirects=False)).status == status

    async def test_a_service_that_is_not_ready(self, app: web.Application, client: Client) -> None:
        app[DRAINING].set()
        assert (await client.get("/readyz")).status == 503


class TestTheComparison:
    """The client above does notice what it is there to notice."""

    ANSWERS = ("paths", "/v2/images/{image_id}", "get", "responses")

    def below(self, document: dict[str, Any], *keys: str) -> dict[str, Any]:
        """Go down the document, to what a test then changes."""
        for key in keys:
            document = document[key]
        return document

    async def compare(self, app: web.Application, document: dict[str, Any]) -> None:
        async with TestClient(TestServer(app), middlewares=(answers_as_documented(document),)) as client:
            await client.get(SHOW, headers=by("ann"))

    async def test_a_path_that_is_not_documented(self, app: web.Application, document: dict[str, Any]) -> None:
        del document["paths"]["/v2/images/{image_id}"]
        with pytest.raises(AssertionError, match="not documented"):
            await self.compare(app, document)

    async def test_a_status_that_is_not_documented(self, app: web.Application, document: dict[str, Any]) -> None:
        del self.below(document, *self.ANSWERS)["200"]
        with pytest.raises(AssertionError, match="200"):
            await self.compare(app, document)

    async def test_a_promised_header_that_is_missing(self, app: web.Application, document: dict[str, Any]) -> None:
        self.below(document, *self.ANSWERS, "200", "headers")["X-Promised"] = {"required": True}
        with pytest.raises(AssertionError, match="X-Promised"):
            await self.compare(app, document)

    async def test_another_media_type(self, app: web.Application, document: dict[str, Any]) -> None:
        self.below(document, *self.ANSWERS, "200")["content"] = {"text/plain": {"schema": {}}}
        with pytest.raises(AssertionError, match="application/json"):
            await self.compare(app, document)

    async def test_a_body_where_none_is_documented(self, app: web.Application, document: dict[str, Any]) -> None:
        self.below(document, *self.ANSWERS, "200")["content"] = {}
        with pytest.raises(AssertionError, match="has a body"):
            await self.compare(app, document)

    @pytest.mark.parametrize("field", ["size", "tags", "created_at"])
    async def test_a_field_of_another_type(self, app: web.Application, document: dict[str, Any], field: str) -> None:
        self.below(document, "components", "schemas", "ImageBody", "properties")[field] = {"type": "boolean"}
        with pytest.raises(ValidationError):
            await self.compare(app, document)

    async def test_a_field_that_is_not_documented(self, app: web.Application, document: dict[str, Any]) -> None:
        del self.below(document, "components", "schemas", "ImageBody", "properties")["size"]
        with pytest.raises(ValidationError):
            await self.compare(app, document)


class TestThePage:
    """Only what the page needs is served, and it lets nothing in from elsewhere."""

    @pytest.mark.parametrize("path", ["/docs", "/docs/swagger-ui-bundle.js", "/openapi.json"])
    async def test_it_is_open_and_guarded(self, client: Client, path: str) -> None:
        response = await client.get(path)
        assert response.status == 200
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'; script-src 'self';" in response.headers["Content-Security-Policy"]

    @pytest.mark.parametrize(
        "file", ["index.css", "../core.py", "..%2Fcore.py", "%2Fetc%2Fpasswd", "....//core.py", "swagger-ui.css%00"]
    )
    async def test_no_other_file_is_served(self, client: Client, file: str) -> None:
        response = await client.get(f"/docs/{file}")
        assert response.status in {300, 400, 404}
        assert b"import" not in await response.read()

    async def test_the_document_is_served_as_it_was_made(self, client: Client, app: web.Application) -> None:
        assert await (await client.get("/openapi.json")).read() == app[DOCUMENTATION].document
