"""A Keystone that is down, slow or lying: always IdentityUnavailable, within the bounded time, without secrets."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from service.caller import Caller
from service.settings import Secret, Settings, SettingsError
from service.tokens.keystone import KeystoneVerifier
from service.tokens.keystone_session import KeystoneSession
from service.tokens.keystone_wire import password_login, project_scope, v3_url
from service.tokens.open import open_verifier
from service.tokens.protocol import IdentityUnavailable
from tests.fake_keystone import (
    NOW,
    OWN_TOKEN,
    FakeKeystone,
    answering,
    break_off,
    flood,
    good_login,
    good_validation,
    hang,
    hang_up,
    lying,
    lying_bytes,
    speak_smtp,
    stamp,
    token_body,
    trickle,
)

PASSWORD, USER_TOKEN = "s3cret-password", "s3cret-user-token"
SECRETS = (PASSWORD, OWN_TOKEN, USER_TOKEN)


@pytest.fixture
async def fake() -> AsyncIterator[FakeKeystone]:
    fake = FakeKeystone()
    await fake.server.start_server()
    yield fake
    await fake.server.close()


@pytest.fixture
def wall() -> Mock:
    return Mock(return_value=NOW)


@pytest.fixture
async def verifier(fake: FakeKeystone, wall: Mock) -> AsyncIterator[KeystoneVerifier]:
    verifier = make_verifier(str(fake.server.make_url("/")), wall=wall)
    yield verifier
    await verifier.close()


@pytest.fixture
async def hasty(fake: FakeKeystone, wall: Mock) -> AsyncIterator[KeystoneVerifier]:
    """Give a verifier that waits 0.3 s, where the others wait so long that no busy machine fails them."""
    verifier = make_verifier(str(fake.server.make_url("/")), seconds=0.3, wall=wall)
    yield verifier
    await verifier.close()


def make_verifier(url: str, *, seconds: float = 30, wall: Callable[[], float]) -> KeystoneVerifier:
    scope = project_scope("p", "Default")
    login = password_login("glance", Secret(PASSWORD), user_domain="Default", scope=scope)
    return KeystoneVerifier(KeystoneSession(v3_url(url), login, timeout=seconds, wall=wall), wall=wall)


NOWHERE = "http://127.0.0.1:9/"
FAULTS = {
    "floods": (flood, "answered with more than"),
    "hangs up": (hang_up, "cannot be talked to"),
    "speaks another protocol": (speak_smtp, "cannot be talked to"),
    "breaks off": (break_off, "cannot be talked to"),
    "500": (answering(500, text=USER_TOKEN), "answered 500"),
    "503": (answering(503, text=OWN_TOKEN), "answered 503"),
    "429": (answering(429), "answered 429"),
    "403": (answering(403), "answered 403"),
    "400": (answering(400), "answered 400"),
    "a proxy's 404": (answering(404, text="<h1>default backend</h1>"), "answered 404"),
    "another service's 404": (answering(404, text='{"error": "no such page"}'), "answered 404"),
    "no content": (answering(204), "answered 204"),
    "a redirect elsewhere": (answering(302, headers={"Location": NOWHERE}), "answered 302"),
    "html": (answering(200, text="<h1>Welcome</h1>", content_type="text/html"), "answered 200"),
    "bad gzip": (answering(200, body=b"no", headers={"Content-Encoding": "gzip"}), "cannot be talked to"),
    "other bytes": (lying_bytes(b'{"token": {"user": {"id": "\xff"}}}'), "not a token"),
    "deep nesting": (lying_bytes(b'{"x":' + b"[" * 100_000), "not a token"),
    "an empty object": (lying({}), "not a token"),
    "a list": (lying([]), "not a token"),
    "an empty token": (lying({"token": {}}), "not a token"),
}
SLOWNESS = {"hangs": hang, "trickles": trickle}
# A login may lack all of these but its end.
LYING_ANSWERS = {
    "no user": token_body(user=None),
    "no end": token_body(expires_at=None),
    "an end without a zone": token_body(expires_at="2030-01-01T00:00:00"),
    "a user without an id": token_body(user={"id": "", "domain": {"id": "default"}}),
    "a project without an id": token_body(project={"domain": {"id": "default"}}),
    "roles without names": token_body(roles=["member"]),
}


async def refusal(verifier: KeystoneVerifier) -> str:
    """Verify a token, expect IdentityUnavailable, prove that no secret can be seen, and give the text."""
    # Only so that an unbounded wait fails instead of lasting for ever.
    async with asyncio.timeout(60):
        with pytest.raises(IdentityUnavailable) as caught:
            await verifier.verify(USER_TOKEN)
    parts = [verifier, *vars(verifier).values()]
    shown = "".join([*traceback.format_exception(caught.value), *(f"{part!r} {vars(part)}" for part in parts)])
    assert not [secret for secret in SECRETS if secret in shown]
    return str(caught.value)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_validation_that_fails_is_unavailable(
    fake: FakeKeystone, verifier: KeystoneVerifier, fault: str
) -> None:
    fake.on_validate, text = FAULTS[fault]
    assert text in await refusal(verifier)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_login_that_fails_is_unavailable(fake: FakeKeystone, verifier: KeystoneVerifier, fault: str) -> None:
    fake.on_login, text = FAULTS[fault]
    assert text in await refusal(verifier)
    assert fake.validations == []


@pytest.mark.parametrize("slowness", SLOWNESS)
async def test_a_slow_validation_is_unavailable(fake: FakeKeystone, hasty: KeystoneVerifier, slowness: str) -> None:
    fake.on_validate = SLOWNESS[slowness]
    assert "did not answer within 0.3 s" in await refusal(hasty)


@pytest.mark.parametrize("slowness", SLOWNESS)
async def test_a_slow_login_is_unavailable(fake: FakeKeystone, hasty: KeystoneVerifier, slowness: str) -> None:
    fake.on_login = SLOWNESS[slowness]
    assert "did not answer within 0.3 s" in await refusal(hasty)


@pytest.mark.parametrize("answer", LYING_ANSWERS)
async def test_an_answer_that_is_no_token_is_unavailable(
    fake: FakeKeystone, verifier: KeystoneVerifier, answer: str
) -> None:
    fake.on_validate = lying(LYING_ANSWERS[answer])
    assert "answered 200 with something that is not a token" in await refusal(verifier)


@pytest.mark.parametrize("headers", [{}, {"X-Subject-Token": "\xe9\xe9"}, {"X-Subject-Token": "two words"}])
async def test_a_login_that_gives_no_token_is_unavailable(
    fake: FakeKeystone, verifier: KeystoneVerifier, headers: dict[str, str]
) -> None:
    async def login(_request: web.Request) -> web.StreamResponse:
        return web.json_response(token_body(), status=201, headers=headers)

    fake.on_login = login
    assert "not a token" in await refusal(verifier)


async def test_a_keystone_that_is_down_is_unavailable_and_its_url_shows_no_password(wall: Mock) -> None:
    verifier = make_verifier(f"http://admin:{PASSWORD}@127.0.0.1:{unused_port()}/v3", wall=wall)
    assert "http://127.0.0.1" in await refusal(verifier)
    await verifier.close()


async def test_the_time_is_bounded_in_total_not_for_each_step(fake: FakeKeystone, hasty: KeystoneVerifier) -> None:
    async def slow_login(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.12)
        return await good_login(request)

    async def slow_refusal(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.12)
        return web.Response(status=401)

    fake.on_login, fake.on_validate = slow_login, slow_refusal
    assert "did not answer within 0.3 s" in await refusal(hasty)


async def test_it_answers_again_as_soon_as_keystone_does(fake: FakeKeystone, verifier: KeystoneVerifier) -> None:
    fake.on_login = answering(500)
    await refusal(verifier)
    fake.on_login = good_login
    assert await verifier.verify(USER_TOKEN) is not None


async def test_wrong_credentials_of_its_own_are_said_to_be_wrong(
    fake: FakeKeystone, verifier: KeystoneVerifier
) -> None:
    fake.on_login = answering(401)
    assert "check VITRINE_KEYSTONE_USERNAME" in await refusal(verifier)
    assert fake.logins == 1


async def test_a_refused_token_of_its_own_is_replaced_once(fake: FakeKeystone, verifier: KeystoneVerifier) -> None:
    async def refuse_first(request: web.Request) -> web.StreamResponse:
        return web.Response(status=401) if len(fake.validations) == 1 else await good_validation(request)

    fake.on_validate = refuse_first
    assert await verifier.verify(USER_TOKEN) is not None
    assert (fake.logins, len(fake.validations)) == (2, 2)


async def test_a_second_refusal_of_its_own_token_is_unavailable(fake: FakeKeystone, verifier: KeystoneVerifier) -> None:
    fake.on_validate = answering(401)
    assert "does not accept the token it has just given" in await refusal(verifier)
    assert (fake.logins, len(fake.validations)) == (2, 2)


async def test_many_refused_at_once_log_in_once(fake: FakeKeystone, wall: Mock) -> None:
    verifier = make_verifier(str(fake.server.make_url("/")), wall=wall)
    await verifier.verify(USER_TOKEN)
    everybody = asyncio.Barrier(20)

    async def refuse_all_of_the_first_round(request: web.Request) -> web.StreamResponse:
        if len(fake.validations) <= 21:
            await everybody.wait()
            return web.Response(status=401)
        return await good_validation(request)

    fake.on_validate = refuse_all_of_the_first_round
    callers = await asyncio.gather(*(verifier.verify(f"token-{number}") for number in range(20)))
    assert None not in callers
    assert fake.logins == 2
    await verifier.close()


async def test_a_late_refusal_of_the_old_token_uses_the_new_one(fake: FakeKeystone, wall: Mock) -> None:
    verifier = make_verifier(str(fake.server.make_url("/")), wall=wall)
    asked, go = asyncio.Event(), asyncio.Event()

    async def refuse_the_first_two(request: web.Request) -> web.StreamResponse:
        number = len(fake.validations)
        if number == 1:
            asked.set()
            await go.wait()
        return web.Response(status=401) if number <= 2 else await good_validation(request)

    fake.on_validate = refuse_the_first_two
    late = asyncio.create_task(verifier.verify("late"))
    await asked.wait()
    assert await verifier.verify("early") is not None
    go.set()
    assert await late is not None
    assert fake.logins == 2
    await verifier.close()


async def test_its_own_token_is_replaced_before_it_ends(
    fake: FakeKeystone, verifier: KeystoneVerifier, wall: Mock
) -> None:
    fake.on_validate = lying(token_body(expires_at=stamp(7200)))
    for seconds, logins in ((0, 1), (3569, 1), (3570, 2)):
        wall.return_value = NOW + seconds
        assert await verifier.verify(USER_TOKEN) is not None
        assert fake.logins == logins


async def test_a_dead_kept_alive_connection_is_tried_once_more(fake: FakeKeystone, verifier: KeystoneVerifier) -> None:
    async def answer_on_new_connections(request: web.Request) -> web.StreamResponse:
        answer = hang_up if request.transport in used else good_validation
        used.add(request.transport)
        return await answer(request)

    used: set[asyncio.Transport | None] = set()
    fake.on_validate = answer_on_new_connections
    for _ in range(2):
        assert await verifier.verify(USER_TOKEN) is not None
    assert len(fake.validations) == 3


async def test_only_keystones_own_404_says_a_token_is_not_valid(fake: FakeKeystone, verifier: KeystoneVerifier) -> None:
    fake.on_validate = answering(404, text='{"error": {"code": 404, "title": "Not Found"}}')
    assert await verifier.verify(USER_TOKEN) is None


async def test_an_expired_token_called_valid_is_refused_unless_allowed(
    fake: FakeKeystone, verifier: KeystoneVerifier
) -> None:
    fake.on_validate = lying(token_body(expires_at=stamp(0)))
    assert await verifier.verify(USER_TOKEN) is None
    assert await verifier.verify(USER_TOKEN, allow_expired=True) is not None
    assert fake.validations == ["nocatalog=", "nocatalog=&allow_expired=1"]


@pytest.mark.parametrize("text", ["", "two words", "line\nbreak", "\udcff", "é", "a" * 4097])
async def test_text_that_cannot_be_a_token_is_refused_without_asking(
    fake: FakeKeystone, verifier: KeystoneVerifier, text: str
) -> None:
    assert await verifier.verify(text) is None
    assert (fake.logins, fake.validations) == (0, [])


async def test_the_longest_token_is_asked_about(fake: FakeKeystone, verifier: KeystoneVerifier) -> None:
    assert await verifier.verify("a" * 4096) is not None


@pytest.mark.parametrize(
    ("changes", "scope"),
    [
        ({}, "project"),
        ({"project": None, "domain": {"id": "d"}}, "domain"),
        ({"project": None, "system": {"all": True}}, "system"),
        ({"project": None, "system": {}}, "unscoped"),
        ({"project": None, "roles": None}, "unscoped"),
    ],
)
async def test_a_token_has_one_scope(
    fake: FakeKeystone, verifier: KeystoneVerifier, changes: dict[str, Any], scope: str
) -> None:
    fake.on_validate = lying(token_body(**changes))
    caller = await verifier.verify(USER_TOKEN)
    assert isinstance(caller, Caller)
    assert caller.scope == scope


async def test_roles_are_lower_case(fake: FakeKeystone, verifier: KeystoneVerifier) -> None:
    fake.on_validate = lying(token_body(roles=[{"name": "Admin"}, {"name": "READER"}]))
    caller = await verifier.verify(USER_TOKEN)
    assert caller is not None
    assert caller.roles == {"admin", "reader"}


@pytest.mark.parametrize(
    "base", ["http://k:5000", "http://k:5000/", "http://k:5000/v3", "http://k:5000/v3/", "http://u:p@k:5000/v3?q#f"]
)
def test_the_base_url_may_end_as_it_likes(base: str) -> None:
    assert str(v3_url(base)) == "http://k:5000/v3"


def test_a_path_before_the_version_stays() -> None:
    assert str(v3_url("https://cloud/identity/v3")) == "https://cloud/identity/v3"


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (Settings(keystone_url="http://host:port", keystone_username="u"), "VITRINE_KEYSTONE_URL"),
        (Settings(keystone_username="u", keystone_password=Secret("p")), "VITRINE_KEYSTONE_URL"),
        (Settings(keystone_url="http://k", keystone_username="u"), "VITRINE_KEYSTONE_PASSWORD"),
        (Settings(keystone_url="http://k", keystone_password=Secret("p")), "VITRINE_KEYSTONE_USERNAME"),
        (Settings(keystone_url="http://k", keystone_application_credential_id="i"), "CREDENTIAL_SECRET"),
    ],
)
async def test_settings_that_cannot_work_are_refused(settings: Settings, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        await open_verifier(settings)
