"""Errors: the right status, the negotiated shape, a request id, and nothing that should not be told."""

import asyncio
import json
import logging
from typing import Any

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from drivers.errors import StoreUnavailable, Unstorable
from drivers.memory import MemoryStore
from drivers.protocol import ImageStore
from drivers.records import View
from drivers.usage import Usage
from service.caller import Caller
from service.conditional import is_cached
from service.negotiation import preferred
from service.tokens.protocol import IdentityUnavailable
from tests.callers import OWNER, by
from tests.conformance import NEVER, ONE, image
from tests.conftest import Client, Connect

PATH = f"/v2/images/{NEVER}"
TEXT = f"No image found with ID {NEVER}"
JSON = json.dumps({"message": f"{TEXT}<br /><br />\n\n\n", "code": "404 Not Found", "title": "Not Found"})


@pytest.fixture
def store_url() -> str:
    """Errors are made above the drivers, so one of them will do."""
    return "memory://"


@pytest.mark.parametrize(
    ("accept", "shape"),
    [
        ("", "text/plain"),
        ("text/plain", "text/plain"),
        ("application/xml", "text/plain"),
        ("application/vnd.openstack.images", "text/plain"),
        ("*/*", "text/html"),
        ("text/*", "text/html"),
        ("junk", "text/html"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("application/json;q=0.5, text/html;q=0.9", "text/html"),
        ("application/json", "application/json"),
        ("application/*", "application/json"),
        ("APPLICATION/JSON", "application/json"),
        ("text/*;q=0.1, application/json", "application/json"),
        ("text/html;q=0, */*", "application/json"),
        ('application/json; charset="utf-8"', "application/json"),
    ],
)
async def test_accept_chooses_the_shape_as_glance_does(client: Client, accept: str, shape: str) -> None:
    response = await client.get(PATH, headers=by("ann", Accept=accept))
    assert (response.status, response.content_type) == (404, shape)


async def test_the_three_shapes_are_glances_to_the_byte(client: Client) -> None:
    plain, page, object_ = [
        await client.get(PATH, headers=by("ann", Accept=accept)) for accept in ("", "text/html", "application/json")
    ]
    assert await plain.text() == f"404 Not Found\n\n{TEXT}\n\n   "
    assert plain.headers["Content-Type"] == "text/plain; charset=UTF-8"
    assert await page.text() == (
        "<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  <h1>404 Not Found</h1>\n"
        f"  {TEXT}<br /><br />\n\n\n\n </body>\n</html>"
    )
    assert page.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert json.loads(await object_.text()) == json.loads(JSON)
    assert object_.headers["Content-Type"] == "application/json"


async def test_what_a_client_sent_cannot_become_markup(client: Client) -> None:
    response = await client.get("/v2/images/<script>alert(1)<%2Fscript>", headers=by("ann", Accept="text/html"))
    assert "<script>" not in await response.text()


@pytest.mark.parametrize("token", [None, "", "wrong", "x" * 4000, "tökén", "token-of-ann\t,token-of-ann"])
async def test_without_a_valid_token_the_answer_is_401_and_says_where_to_get_one(connect: Connect, token: Any) -> None:
    client = await connect(keystone_url="http://keystone/v3", www_authenticate_uri="http://public/v3")
    response = await client.get(PATH, headers={"X-Auth-Token": token} if token is not None else {})
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == 'Keystone uri="http://public/v3"'
    assert "x-openstack-request-id" not in response.headers


async def test_no_path_below_a_version_is_told_apart_without_a_token(client: Client) -> None:
    for path in ("/v2", "/v2/", "/v2/images", "/v2/nothing", "/v2.3/images/x", "/v2/schemas/image"):
        assert (await client.get(path, allow_redirects=False)).status == 401


class Broken(MemoryStore):
    """A store that fails in the way it is told to."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    async def get(self, image_id: str, project_id: str | None, *, locations: bool = False) -> View:
        raise self.error


class Away:
    """A verifier whose identity service is away."""

    async def verify(self, token: str, *, allow_expired: bool = False) -> Caller | None:
        raise IdentityUnavailable("Keystone does not answer.")

    async def close(self) -> None:
        pass


class TestFailures:
    """What goes wrong behind the service is said as 5xx, and only the log has the details."""

    @pytest.fixture
    async def store(self) -> ImageStore:
        return Broken(RuntimeError("password=hunter2"))

    async def test_an_unexpected_failure_tells_the_log_and_not_the_client(
        self, client: Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        response = await client.get(PATH, headers=by("ann", X_OpenStack_Request_Id="req-seek-me"))
        assert response.status == 500
        text = await response.text()
        assert "hunter2" not in text
        assert "Traceback" not in text
        assert "req-seek-me" in caplog.text
        assert "hunter2" in caplog.text

    async def test_storage_that_is_away_is_503(self, client: Client, store: Broken) -> None:
        store.error = StoreUnavailable("The database does not answer (TimeoutError).")
        response = await client.get(PATH, headers=by("ann"))
        assert response.status == 503
        assert "does not answer" in await response.text()

    async def test_what_no_column_can_hold_is_400(self, client: Client, store: Broken) -> None:
        store.error = Unstorable("A number is beyond 64 bits.")
        assert (await client.get(PATH, headers=by("ann"))).status == 400

    async def test_an_identity_service_that_is_away_is_503_and_never_401(self, connect: Connect) -> None:
        response = await (await connect(verifier=Away())).get(PATH, headers=by("ann"))
        assert response.status == 503


class TestRequestId:
    """`x-openstack-request-id` (reference section 8.2)."""

    async def header(self, client: Client, sent: str | None) -> str:
        headers = by("ann") | ({"X-Openstack-Request-Id": sent} if sent is not None else {})
        response = await client.get(PATH, headers=headers)
        assert response.status == 404
        return response.headers["x-openstack-request-id"]

    async def test_the_callers_own_id_comes_back(self, client: Client) -> None:
        assert await self.header(client, "req-mine") == "req-mine"

    async def test_a_missing_prefix_is_added(self, client: Client) -> None:
        assert await self.header(client, "mine") == "req-mine"

    @pytest.mark.parametrize("sent", [None, "", "x" * 65, "forged\tline", "ü"])
    async def test_what_cannot_be_used_is_replaced(self, client: Client, sent: str | None) -> None:
        first, second = await self.header(client, sent), await self.header(client, sent)
        assert first != second
        assert len(first) == len(second) == len("req-") + 36


class TestMethods:
    """405 with `Allow`, and OPTIONS for all (reference sections 8.5 and 8.6)."""

    @pytest.mark.parametrize("method", ["PUT", "POST", "PROPFIND"])
    async def test_a_method_the_path_does_not_have_is_405(self, client: Client, method: str) -> None:
        response = await client.request(method, PATH, headers=by("ann", Accept="application/json"))
        assert response.status == 405
        assert "GET" in response.headers["Allow"].split(", ")
        assert (await response.json())["code"] == "405 Method Not Allowed"

    @pytest.mark.parametrize("path", ["/", "/v2/images", "/v2/nothing", "/nothing", PATH])
    async def test_options_is_200_and_empty_everywhere(self, client: Client, path: str) -> None:
        response = await client.options(path)
        assert (response.status, await response.read()) == (200, b"")


class TestBadInput:
    """A clear 4xx of the negotiated shape, and nothing else."""

    @pytest.mark.parametrize("path", ["/v2/images/%ff", "/v2/images/%C3%28", "/v2/images/%00", f"{PATH}%00"])
    async def test_a_path_that_is_no_text_is_400(self, client: Client, path: str) -> None:
        from yarl import URL  # noqa: PLC0415 - only here a URL must not be normalized

        response = await client.get(URL(path, encoded=True), headers=by("ann", Accept="application/json"))
        assert response.status == 400
        assert (await response.json())["title"] == "Bad Request"

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    async def test_a_body_where_none_belongs_is_400_before_anything_else(
        self, client: Client, store: ImageStore, method: str
    ) -> None:
        await store.add(image())
        for body in (b"{}", b" ", chunks()):
            response = await client.request(method, f"/v2/images/{ONE}", headers=by("bob"), data=body)
            assert response.status == 400

    async def test_an_empty_body_is_no_body(self, client: Client, store: ImageStore) -> None:
        await store.add(image())
        response = await client.get(f"/v2/images/{ONE}", headers=by("ann", Content_Type="application/octet-stream"))
        assert response.status == 200


async def chunks() -> Any:
    """Send a body of unknown length."""
    yield b"{}"
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, None),
        ("a/b", None),
        ("x/y;q=0.2, x/z;q=0.3", "x/z"),
        ("x/*;q=0.2, x/z;q=0", "x/y"),
        ("*/*;q=0.1, x/z", "x/z"),
        ("x/y;q=0", None),
        (",, x/z ,", "x/z"),
        ("x/y;q=2", "x/y"),
    ],
)
def test_the_most_wanted_offer_is_preferred(accept: str | None, chosen: str | None) -> None:
    assert preferred(accept, ("x/y", "x/z")) == chosen


def test_no_header_takes_longer_than_its_length_deserves() -> None:
    # With a pattern that can match in two ways this took twice as long for each repetition: it would never end.
    assert preferred("x/y" + ";a= " * 8000 + '"', ("x/y", "x/z")) == "x/y"
    for part in (" ", ",", ", ", '"', '"",', 'W/"" , '):
        headers = CIMultiDictProxy(CIMultiDict({"If-None-Match": part * 8000 + "x"}))
        assert not is_cached(headers, '"1"')


@pytest.mark.parametrize("host", ["a:99999999", "", "\xff", "user@host", "evil/../x", "a b"])
async def test_a_host_that_is_none_is_400_and_nothing_is_kept(client: Client, store: ImageStore, host: str) -> None:
    created = await client.post("/v2/images", json={}, headers=by("ann", Host=host))
    versions = await client.get("/", headers={"Host": host})
    assert [created.status, versions.status] == [400, 400]
    assert await store.usage(OWNER) == Usage()


async def test_a_refused_token_is_in_no_log(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await client.get(PATH, headers={"X-Auth-Token": "secret-" * 100})
    assert "secret-" not in caplog.text
