"""Limits kept by Keystone: read from a real one, and a false or failing one never lets anything be added."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple
from unittest.mock import Mock
from uuid import uuid4

import msgspec
import pytest
from aiohttp import web

from drivers.usage import Limits
from service.limits.keystone import FRESH_SECONDS, KeystoneLimits
from service.limits.open import open_limits
from service.limits.protocol import LimitsUnavailable
from service.settings import Secret, Settings
from service.tokens.keystone_session import KeystoneSession
from service.tokens.keystone_wire import v3_url
from tests.callers import by
from tests.conftest import Connect
from tests.fake_keystone import (
    NOW,
    OWN_TOKEN,
    FakeKeystone,
    Handler,
    answering,
    break_off,
    flood,
    hang,
    hang_up,
    lying,
    lying_bytes,
    trickle,
)
from tests.keystone import Keystone

MIB = 2**20
PASSWORD = "s3cret-password"
NONE_ALLOWED = Limits(images=0, bytes=0, staged_bytes=0, uploading=0)


class ImageService(NamedTuple):
    """An image service of its own in Keystone's catalog."""

    keystone: Keystone
    service_id: str
    region_id: str
    endpoint_id: str

    def register(self, limits: Mapping[str, int], **where: str) -> None:
        """Register default limits for the service in its region."""
        place = {"service_id": self.service_id, "region_id": self.region_id} | where
        entries = [{**place, "resource_name": name, "default_limit": value} for name, value in limits.items()]
        self.keystone.administer("POST", "/registered_limits", {"registered_limits": entries})

    def limit(self, project: str, limits: Mapping[str, int]) -> None:
        """Give a project limits of its own."""
        place = {"service_id": self.service_id, "region_id": self.region_id}
        owner = {"project_id": self.keystone.project_id(project)}
        entries = [{**place, **owner, "resource_name": name, "resource_limit": value} for name, value in limits.items()]
        self.keystone.administer("POST", "/limits", {"limits": entries})


@pytest.fixture
def store_url() -> str:
    """Where the limits come from is all the same to a driver."""
    return "memory://"


@pytest.fixture
def service(keystone: Keystone) -> ImageService:
    """Give a new service without limits."""

    def made(kind: str, **fields: str) -> str:
        return str(keystone.administer("POST", f"/{kind}s", {kind: fields})[kind]["id"])

    service_id, region_id = made("service", type="image", name="vitrine"), made("region", id=f"region {uuid4()}")
    where = {"service_id": service_id, "region_id": region_id}
    return ImageService(keystone, service_id, region_id, made("endpoint", interface="public", url="http://i", **where))


async def read(settings: Settings, endpoint_id: str, project_id: str, **changes: Any) -> Limits:
    """Read a project's limits once."""
    fields = {"use_keystone_limits": True, "limit_endpoint_id": endpoint_id, **changes}
    source = await open_limits(msgspec.structs.replace(settings, **fields))
    try:
        return await source.limits(project_id)
    finally:
        await source.close()


class TestRealKeystone:
    """What oslo.limit would make of the same registrations."""

    async def test_what_is_not_registered_is_not_allowed_and_the_log_says_so(
        self, service: ImageService, keystone_settings: Settings, caplog: pytest.LogCaptureFixture
    ) -> None:
        project_id = service.keystone.project_id("demo")
        service.register({"image_count_total": 7})
        limits = await read(keystone_settings, service.endpoint_id, project_id)
        assert limits == Limits(images=7, bytes=0, staged_bytes=0, uploading=0)
        assert "no registered limit for image_size_total, image_stage_total, image_count_uploading" in caplog.text

    async def test_a_projects_own_limit_goes_before_the_default(
        self, service: ImageService, keystone_settings: Settings
    ) -> None:
        defaults = {"image_count_total": 7, "image_size_total": 100, "image_stage_total": 50}
        service.register(defaults | {"image_count_uploading": 3})
        service.limit("demo", {"image_count_total": 0, "image_size_total": -1})
        demo, alt = (service.keystone.project_id(name) for name in ("demo", "alt"))
        limits = await read(keystone_settings, service.endpoint_id, demo)
        assert limits.bytes < 0
        assert msgspec.structs.replace(limits, bytes=-1) == Limits(0, -1, 50 * MIB, 3)
        assert await read(keystone_settings, service.endpoint_id, alt) == Limits(7, 100 * MIB, 50 * MIB, 3)

    async def test_limits_of_other_regions_do_not_count(
        self, service: ImageService, keystone_settings: Settings
    ) -> None:
        elsewhere = f"elsewhere {uuid4()}"
        service.keystone.administer("POST", "/regions", {"region": {"id": elsewhere}})
        service.register({"image_count_total": 7}, region_id=elsewhere)
        project_id = service.keystone.project_id("demo")
        assert await read(keystone_settings, service.endpoint_id, project_id) == NONE_ALLOWED

    @pytest.mark.parametrize("project_id", ["", "no id", "ü", "x" * 300])
    async def test_what_cannot_be_a_projects_id_has_the_defaults(
        self, service: ImageService, keystone_settings: Settings, project_id: str
    ) -> None:
        service.register({"image_count_total": 7})
        assert (await read(keystone_settings, service.endpoint_id, project_id)).images == 7

    async def test_creators_meet_the_limit_that_keystone_has(
        self, service: ImageService, keystone_settings: Settings, connect: Connect
    ) -> None:
        service.register({"image_count_total": 1, "image_size_total": 5})
        changes = {"use_keystone_limits": True, "limit_endpoint_id": service.endpoint_id}
        source = await open_limits(msgspec.structs.replace(keystone_settings, **changes))
        client = await connect(limits=source, **changes)
        posts = [await client.post("/v2/images", json={}, headers=by("ann")) for _ in range(2)]
        assert [response.status for response in posts] == [201, 413]
        usage = (await (await client.get("/v2/info/usage", headers=by("ann"))).json())["usage"]
        assert usage["image_count_total"] == {"usage": 1, "limit": 1}
        assert usage["image_size_total"] == {"usage": 0, "limit": 5}
        await source.close()

    @pytest.mark.parametrize(
        ("changes", "complaint"),
        [
            ({"keystone_username": "reader"}, "answered 401 to the service's own login: .* `reader` on the system"),
            ({"keystone_password": Secret(PASSWORD)}, "answered 401 to the service's own login: check VITRINE_"),
            ({"limit_endpoint_id": "0" * 32}, "answered 404 to the question for endpoints/0+: check VITRINE_LIMIT_E"),
        ],
    )
    async def test_an_operator_is_told_what_to_mend(
        self, service: ImageService, keystone_settings: Settings, changes: dict[str, Any], complaint: str
    ) -> None:
        with pytest.raises(LimitsUnavailable, match=complaint) as caught:
            await read(keystone_settings, service.endpoint_id, "p", **changes)
        assert PASSWORD not in str(caught.value)


@pytest.fixture
async def fake() -> AsyncIterator[FakeKeystone]:
    fake = FakeKeystone()
    fake.on_ask = answers()
    await fake.server.start_server()
    yield fake
    await fake.server.close()


@pytest.fixture
def monotonic() -> Mock:
    return Mock(return_value=0.0)


@pytest.fixture
async def limits(fake: FakeKeystone, monotonic: Mock) -> AsyncIterator[KeystoneLimits]:
    source = make_limits(fake, seconds=30, monotonic=monotonic)
    yield source
    await source.close()


def make_limits(fake: FakeKeystone, *, seconds: float, monotonic: Mock) -> KeystoneLimits:
    url, login = v3_url(str(fake.server.make_url("/"))), Secret(PASSWORD)
    session = KeystoneSession(url, login, timeout=seconds, wall=lambda: NOW)
    return KeystoneLimits(session, "e", monotonic=monotonic)


GOOD: Mapping[str, Any] = {
    "limits/model": {"model": {"name": "flat"}},
    "endpoints/e": {"endpoint": {"service_id": "s", "region_id": "r"}},
    "registered_limits": {"registered_limits": [{"resource_name": "image_count_total", "default_limit": 7}]},
    "limits": {"limits": []},
}


def answers(**handlers: Handler) -> Handler:
    """Make the handler of a good Keystone, but for some resources, `_` standing for `/` in their paths."""

    async def answer(request: web.Request) -> web.StreamResponse:
        resource = request.match_info["resource"]
        handler = handlers.get(resource.replace("/", "_"), lying(GOOD[resource]))
        return await handler(request)

    return answer


FAULTS = {
    "floods": (flood, "answered with more than"),
    "hangs up": (hang_up, "cannot be talked to"),
    "breaks off": (break_off, "cannot be talked to"),
    "500": (answering(500, text=OWN_TOKEN), "answered 500"),
    "400": (answering(400), "answered 400"),
    "401": (answering(401), "answered 401"),
    "403": (answering(403), "answered 403 .* needs the role `reader` on the system"),
    "404": (answering(404), "answered 404 .* check VITRINE_LIMIT_ENDPOINT_ID"),
    "204": (answering(204), "answered 204"),
    "html": (answering(200, text="<h1>Welcome</h1>", content_type="text/html"), "with something else"),
    "an empty object": (lying({}), "with something else"),
    "other bytes": (lying_bytes(b"\xff"), "with something else"),
    "limits that are no numbers": (
        lying(
            {
                "limits": [{"resource_name": "image_count_total", "resource_limit": "many"}],
                "registered_limits": [{"resource_name": "image_count_total", "default_limit": None}],
            }
        ),
        "with something else",
    ),
    "only a part": (lying({"limits": [], "registered_limits": [], "truncated": True}), "only some|something else"),
}


async def refusal(limits: KeystoneLimits) -> str:
    """Ask, expect LimitsUnavailable, prove that no secret can be seen, and give the text."""
    # Only so that an unbounded wait fails instead of lasting for ever.
    async with asyncio.timeout(60):
        with pytest.raises(LimitsUnavailable) as caught:
            await limits.limits("p")
    shown = "".join(traceback.format_exception(caught.value))
    assert PASSWORD not in shown
    assert OWN_TOKEN not in shown
    return str(caught.value)


class TestFaults:
    """A Keystone that fails or lies is never taken for one that allows."""

    @pytest.mark.parametrize("resource", ["limits_model", "endpoints_e", "registered_limits", "limits"])
    @pytest.mark.parametrize("fault", FAULTS)
    async def test_a_question_that_fails_leaves_the_limits_unknown(
        self, fake: FakeKeystone, limits: KeystoneLimits, resource: str, fault: str
    ) -> None:
        handler, text = FAULTS[fault]
        fake.on_ask = answers(**{resource: handler})
        with pytest.raises(LimitsUnavailable, match=text):
            await limits.limits("p")
        await refusal(limits)
        fake.on_ask = answers()
        assert (await limits.limits("p")).images == 7

    @pytest.mark.parametrize("slow", [hang, trickle])
    @pytest.mark.parametrize("resource", ["endpoints_e", "limits"])
    async def test_a_slow_answer_leaves_them_unknown(
        self, fake: FakeKeystone, monotonic: Mock, resource: str, slow: Handler
    ) -> None:
        limits = make_limits(fake, seconds=0.3, monotonic=monotonic)
        fake.on_ask = answers(**{resource: slow})
        assert "did not answer within 0.3 s" in await refusal(limits)
        await limits.close()

    async def test_another_model_than_flat_is_refused_by_name(self, fake: FakeKeystone, limits: KeystoneLimits) -> None:
        fake.on_ask = answers(limits_model=lying({"model": {"name": "strict_two_level"}}))
        assert "model `strict_two_level`, of which only `flat` is supported" in await refusal(limits)


class TestMemory:
    """How often Keystone is asked."""

    async def test_answers_are_remembered_for_a_while_by_project(
        self, fake: FakeKeystone, limits: KeystoneLimits, monotonic: Mock
    ) -> None:
        for project_id in ("p", "p", "q", "p"):
            await limits.limits(project_id)
        asked = ["registered_limits?service_id=s&region_id=r", "limits?service_id=s&region_id=r&project_id="]
        first = ["limits/model", "endpoints/e", asked[0], asked[1] + "p", asked[0], asked[1] + "q"]
        assert fake.asked == first
        monotonic.return_value = FRESH_SECONDS
        raised = {"registered_limits": [{"resource_name": "image_count_total", "default_limit": 9}]}
        fake.on_ask = answers(registered_limits=lying(raised))
        assert (await limits.limits("p")).images == 9
        assert fake.asked == [*first, asked[0], asked[1] + "p"]

    async def test_many_who_ask_at_once_ask_keystone_once(self, fake: FakeKeystone, limits: KeystoneLimits) -> None:
        answered = await asyncio.gather(*(limits.limits("p") for _ in range(20)))
        assert {each.images for each in answered} == {7}
        assert (fake.logins, len(fake.asked)) == (1, 4)

    async def test_an_endpoint_without_a_region_asks_for_none(self, fake: FakeKeystone, limits: KeystoneLimits) -> None:
        fake.on_ask = answers(endpoints_e=lying({"endpoint": {"service_id": "s", "region_id": None}}))
        await limits.limits("p")
        assert fake.asked[2:] == ["registered_limits?service_id=s", "limits?service_id=s&project_id=p"]
