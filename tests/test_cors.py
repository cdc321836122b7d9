"""Pages of other origins: those the operator names may call the API, no others (reference section 8.6)."""

import pytest

from tests.callers import by
from tests.conftest import Client, Connect

HORIZON = "https://horizon.example"
ASKING = {"Origin": HORIZON, "Access-Control-Request-Method": "PUT"}


@pytest.fixture
async def client(connect: Connect) -> Client:
    """Give a client of a service that one origin may call."""
    return await connect(cors_allowed_origins=(HORIZON,))


def cors_headers(headers: object) -> dict[str, str]:
    assert hasattr(headers, "items")
    return {name: value for name, value in headers.items() if name == "Vary" or name.startswith("Access-Control-")}


@pytest.mark.parametrize("path", ["/v2/images/x/file", "/v2/images", "/", "/nowhere/at/all"])
async def test_a_preflight_needs_no_token_and_repeats_what_it_allows(client: Client, path: str) -> None:
    headers = ASKING | {"Access-Control-Request-Headers": "content-type, X-Auth-Token"}
    async with client.options(path, headers=headers) as response:
        assert response.status == 200
        assert await response.read() == b""
        assert cors_headers(response.headers) == {
            "Access-Control-Allow-Origin": HORIZON,
            "Access-Control-Allow-Credentials": "true",
            "Access-Control-Max-Age": "3600",
            "Access-Control-Allow-Methods": "PUT",
            "Access-Control-Allow-Headers": "content-type,X-Auth-Token",
            "Vary": "Origin",
        }


@pytest.mark.parametrize(
    "changed",
    [
        {"Origin": "https://horizon.example.evil"},
        {"Origin": "http://horizon.example"},
        {"Origin": "null"},
        {"Access-Control-Request-Method": "TRACE"},
        {"Access-Control-Request-Headers": "x-auth-token, x-evil"},
    ],
)
async def test_a_preflight_for_anything_else_is_told_nothing(client: Client, changed: dict[str, str]) -> None:
    async with client.options("/v2/images", headers=ASKING | changed) as response:
        assert response.status == 200
        assert cors_headers(response.headers) == {}


async def test_options_that_is_no_preflight_is_told_nothing(client: Client) -> None:
    async with client.options("/v2/images", headers={"Origin": HORIZON}) as response:
        assert (response.status, cors_headers(response.headers)) == (200, {})


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [("/v2/images", "ann", 200), ("/v2/images/x", "ann", 404), ("/v2/images", "a stranger", 401), ("/", "ann", 300)],
)
async def test_every_answer_may_be_read_by_the_page(client: Client, path: str, token: str, status: int) -> None:
    async with client.get(path, headers=by(token, Origin=HORIZON)) as response:
        assert response.status == status
        told = cors_headers(response.headers)
    assert "X-OpenStack-Request-ID" in told.pop("Access-Control-Expose-Headers").split(",")
    assert told == {
        "Access-Control-Allow-Origin": HORIZON,
        "Access-Control-Allow-Credentials": "true",
        "Vary": "Origin",
    }


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://elsewhere.example"}])
async def test_other_callers_are_answered_as_ever(client: Client, headers: dict[str, str]) -> None:
    async with client.get("/v2/images", headers=by("ann") | headers) as response:
        assert response.status == 200
        assert cors_headers(response.headers) == {}


async def test_without_the_setting_no_origin_is_allowed(connect: Connect) -> None:
    client = await connect()
    async with client.options("/v2/images", headers=ASKING) as response:
        assert (response.status, cors_headers(response.headers)) == (200, {})
