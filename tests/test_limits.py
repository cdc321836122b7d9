"""The limit of a project's images (reference section 7) and `/info/usage` (section 2.9), on both drivers."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import unused_port

from drivers.protocol import ImageStore
from drivers.records import Location
from drivers.usage import UNLIMITED, Limits, Usage
from service.limits.fixed import FixedLimits, read_storage_quota
from service.limits.keystone import KeystoneLimits
from service.limits.open import open_limits
from service.limits.protocol import LimitSource
from service.settings import Secret, Settings, SettingsError
from service.tokens.keystone_session import KeystoneSession
from service.tokens.keystone_wire import v3_url
from tests.callers import OTHER, OWNER, by
from tests.conformance import ONE, TWO, image
from tests.conftest import Client, Connect


@pytest.fixture
async def unreadable() -> AsyncIterator[LimitSource]:
    """Give limits of a Keystone that is not there."""
    session = KeystoneSession(v3_url(f"http://127.0.0.1:{unused_port()}"), Secret("{}"), timeout=30)
    source = KeystoneLimits(session, "endpoint")
    yield source
    await source.close()


async def create(client: Client, name: str = "ann", **body: Any) -> int:
    """Create an image; give the status of the answer."""
    return (await client.post("/v2/images", json=body, headers=by(name))).status


async def used(client: Client, name: str = "ann") -> Any:
    """Ask for `/info/usage`."""
    response = await client.get("/v2/info/usage", headers=by(name))
    assert response.status == 200
    return (await response.json())["usage"]


class TestCreate:
    """The only call that adds an image."""

    async def test_the_image_after_the_last_allowed_is_413_until_one_is_deleted(self, connect: Connect) -> None:
        client = await connect(limits=FixedLimits(Limits(images=2)))
        assert [await create(client, id=image_id) for image_id in (ONE, TWO)] == [201, 201]
        response = await client.post("/v2/images", json={}, headers=by("ann"))
        assert response.status == 413
        assert "The limit of 2 images of a project would be exceeded: 3 wanted." in await response.text()
        assert await create(client, "bob") == 201
        assert (await client.delete(f"/v2/images/{ONE}", headers=by("ann"))).status == 204
        assert await create(client) == 201

    async def test_of_fifty_creators_at_once_exactly_as_many_as_allowed_succeed(
        self, connect: Connect, store: ImageStore
    ) -> None:
        client = await connect(limits=FixedLimits(Limits(images=3)))
        statuses = await asyncio.gather(*(create(client) for _ in range(50)))
        assert sorted(statuses) == [201] * 3 + [413] * 47
        assert await store.usage(OWNER) == Usage(3)

    async def test_it_is_asked_after_policy_and_before_the_rest_of_the_body(
        self, connect: Connect, store: ImageStore
    ) -> None:
        await store.add(image(owner=OTHER))
        client = await connect(limits=FixedLimits(Limits(images=0)))
        assert await create(client, name="rita", size=5) == 403
        assert await create(client, size=5) == 413
        assert await create(client, id=ONE) == 413

    async def test_an_image_made_for_another_project_counts_as_that_projects(self, connect: Connect) -> None:
        client = await connect(limits=FixedLimits(Limits(images=1)))
        assert await create(client, "admin", owner=OWNER) == 201
        assert await create(client) == 413
        assert await create(client, "admin", owner=OWNER) == 413
        assert [await create(client, "admin", owner=owner) for owner in (None, None, OTHER)] == [201] * 3

    async def test_limits_that_cannot_be_read_are_503_and_nothing_is_added(
        self, connect: Connect, store: ImageStore, unreadable: LimitSource
    ) -> None:
        client = await connect(limits=unreadable, use_keystone_limits=True)
        response = await client.post("/v2/images", json={}, headers=by("ann"))
        assert response.status == 503
        assert "limits are not known, so nothing can be added: Keystone at http://127.0.0.1" in await response.text()
        assert await store.usage(OWNER) == Usage()

    async def test_what_adds_nothing_asks_for_no_limits(
        self, connect: Connect, store: ImageStore, unreadable: LimitSource
    ) -> None:
        await store.add(image())
        client = await connect(limits=unreadable, use_keystone_limits=True)
        assert (await client.get("/v2/images", headers=by("ann"))).status == 200
        assert (await client.delete(f"/v2/images/{ONE}", headers=by("ann"))).status == 204


class TestUsage:
    """What a project can learn of its limits."""

    async def test_each_limit_is_shown_with_what_is_used_and_sizes_in_whole_mib(
        self, connect: Connect, store: ImageStore
    ) -> None:
        await store.add(image(ONE, size=3 * 2**20 - 1, locations=(Location("a"),), status="active"))
        await store.add(image(TWO, size=2**20, status="uploading"))
        limits = FixedLimits(Limits(images=5, bytes=10 * 2**20, staged_bytes=0, uploading=-1))
        client = await connect(limits=limits, use_keystone_limits=True)
        assert await used(client) == {
            "image_size_total": {"usage": 2, "limit": 10},
            "image_stage_total": {"usage": 1, "limit": 0},
            "image_count_total": {"usage": 2, "limit": 5},
            "image_count_uploading": {"usage": 1, "limit": -1},
        }
        assert (await used(client, "bob"))["image_count_total"] == {"usage": 0, "limit": 5}

    async def test_it_is_empty_without_unified_limits(self, connect: Connect) -> None:
        assert await used(await connect(limits=FixedLimits(Limits(bytes=5)))) == {}

    @pytest.mark.parametrize("name", ["sys", "nobody"])
    async def test_it_is_empty_for_who_has_no_project(
        self, connect: Connect, unreadable: LimitSource, name: str
    ) -> None:
        assert await used(await connect(limits=unreadable, use_keystone_limits=True), name) == {}

    async def test_limits_that_cannot_be_read_are_503(self, connect: Connect, unreadable: LimitSource) -> None:
        client = await connect(limits=unreadable, use_keystone_limits=True)
        assert (await client.get("/v2/info/usage", headers=by("ann"))).status == 503


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        *((zero, UNLIMITED) for zero in ("0", "0B", "0TB")),
        ("1", Limits(bytes=1)),
        ("1023B", Limits(bytes=1023)),
        ("1KB", Limits(bytes=1024)),
        ("20MB", Limits(bytes=20 * 1024**2)),
        ("500GB", Limits(bytes=500 * 1024**3)),
        ("3TB", Limits(bytes=3 * 1024**4)),
    ],
)
async def test_a_storage_quota_is_read_in_powers_of_1024(text: str, limits: Limits) -> None:
    assert read_storage_quota(text) == limits
    assert await (await open_limits(Settings(user_storage_quota=text))).limits(OWNER) == limits


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"limit_endpoint_id": None}, "VITRINE_LIMIT_ENDPOINT_ID is not set, which VITRINE_USE_KEYSTONE_LIMITS needs"),
        ({"keystone_url": None}, "VITRINE_KEYSTONE_URL is not set, which VITRINE_USE_KEYSTONE_LIMITS needs"),
        (
            {"keystone_username": None, "keystone_application_credential_id": "i"},
            "VITRINE_KEYSTONE_USERNAME is not set, which VITRINE_USE_KEYSTONE_LIMITS needs",
        ),
    ],
)
async def test_unified_limits_without_what_they_need_stop_the_start(changes: dict[str, Any], complaint: str) -> None:
    complete = {
        "keystone_url": "http://k",
        "keystone_username": "u",
        "keystone_password": Secret("p"),
        "limit_endpoint_id": "e",
    }
    with pytest.raises(SettingsError, match=complaint):
        await open_limits(Settings(use_keystone_limits=True, **{**complete, **changes}))
