"""`X-Auth-Token` and `X-Service-Token` together, as keystonemiddleware treats them."""

from datetime import UTC, datetime

from service.caller import Caller
from service.tokens.identify import identify
from service.tokens.static import StaticVerifier

PAST = datetime(2020, 1, 1, tzinfo=UTC)
USER = Caller(user_id="u", project_id="p", roles=frozenset({"member"}))
EXPIRED_USER = Caller(user_id="u", project_id="p", roles=frozenset({"member"}), expires_at=PAST)
SERVICE = Caller(user_id="nova", project_id="service", roles=frozenset({"service", "reader"}))
VERIFIER = StaticVerifier(
    {
        "user": USER,
        "expired": EXPIRED_USER,
        "service": SERVICE,
        "powerless": Caller(user_id="cinder", project_id="service", roles=frozenset({"member"})),
        "expired-service": Caller(user_id="nova", roles=frozenset({"service"}), expires_at=PAST),
    }
)


async def seen(
    token: str | None, service_token: str | None = None, roles: tuple[str, ...] = ("service",)
) -> Caller | None:
    return await identify(VERIFIER, token, service_token, frozenset(roles))


async def test_a_valid_token_is_its_caller() -> None:
    assert await seen("user") == USER


async def test_a_request_without_a_valid_user_token_has_no_caller() -> None:
    assert [await seen(token) for token in (None, "", "unknown", "expired")] == [None] * 4


async def test_a_service_token_alone_identifies_nobody() -> None:
    assert await seen(None, "service") is None
    assert await seen("unknown", "service") is None


async def test_a_valid_service_token_adds_its_roles() -> None:
    caller = await seen("user", "service")
    assert caller is not None
    assert caller.service_roles == {"service", "reader"}
    assert caller.roles == {"member"}
    assert caller.user_id == "u"


async def test_a_valid_service_token_lets_an_expired_user_token_pass() -> None:
    caller = await seen("expired", "service")
    assert caller is not None
    assert caller.user_id == "u"


async def test_any_other_service_token_is_ignored() -> None:
    for service_token in ("powerless", "expired-service", "unknown", ""):
        assert await seen("user", service_token) == USER
        assert await seen("expired", service_token) is None


async def test_one_of_several_service_roles_is_enough_in_any_case() -> None:
    assert await seen("expired", "service", ("Other", "SERVICE")) is not None
    assert await seen("expired", "service", ("other",)) is None
    assert await seen("expired", "service", ()) is None
