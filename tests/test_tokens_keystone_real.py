"""Tokens of a real Keystone, verified with the service's own credentials."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest

from service.settings import Secret, Settings
from service.tokens.cache import CachedVerifier
from service.tokens.identify import identify
from service.tokens.keystone import KeystoneVerifier
from service.tokens.keystone_session import KeystoneSession
from service.tokens.keystone_wire import password_login, project_scope, v3_url
from service.tokens.open import open_verifier
from service.tokens.protocol import IdentityUnavailable, TokenVerifier
from tests.keystone import Keystone

SERVICE_ROLES = frozenset({"service"})


@pytest.fixture
async def verifier(keystone_settings: Settings) -> AsyncIterator[TokenVerifier]:
    verifier = await open_verifier(keystone_settings)
    yield verifier
    await verifier.close()


async def verified(settings: Settings, token: str, **changes: Any) -> Any:
    """Verify one token with other settings."""
    verifier = await open_verifier(msgspec.structs.replace(settings, **changes))
    try:
        return await verifier.verify(token)
    finally:
        await verifier.close()


async def test_a_project_token_is_its_user_in_its_project(keystone: Keystone, verifier: TokenVerifier) -> None:
    caller = await verifier.verify(keystone.login("demo", project="demo"))
    assert caller is not None
    assert caller.user_id == keystone.user_id("demo")
    assert caller.project_id == keystone.project_id("demo")
    assert caller.roles == {"member", "reader"}
    assert caller.scope == "project"
    assert (caller.user_domain_id, caller.project_domain_id, caller.domain_id) == ("default", "default", None)
    assert caller.service_roles == frozenset()
    assert caller.expires_at is not None
    assert 3500 < (caller.expires_at - datetime.now(UTC)).total_seconds() <= 3600


@pytest.mark.parametrize(
    ("wanted", "scope", "domain"),
    [({"system": "all"}, "system", None), ({"domain": "Default"}, "domain", "default"), ({}, "unscoped", None)],
)
async def test_other_scopes_have_no_project(
    keystone: Keystone, verifier: TokenVerifier, wanted: dict[str, str], scope: str, domain: str | None
) -> None:
    caller = await verifier.verify(keystone.login("admin", **wanted))
    assert caller is not None
    assert caller.user_id == keystone.user_id("admin")
    assert (caller.scope, caller.domain_id) == (scope, domain)
    assert (caller.project_id, caller.project_domain_id) == (None, None)
    assert ("admin" in caller.roles) == bool(wanted)


@pytest.mark.parametrize("text", ["garbage", "gAAAAABgarbage", "%00%ff", "../../users", "a" * 255, "a" * 4096])
async def test_garbage_is_nobody(verifier: TokenVerifier, text: str) -> None:
    assert await verifier.verify(text) is None


async def test_a_token_with_one_letter_changed_is_nobody(keystone: Keystone, verifier: TokenVerifier) -> None:
    token = keystone.login("demo", project="demo")
    assert await verifier.verify(token[:40] + ("A" if token[40] != "A" else "B") + token[41:]) is None


async def test_a_revoked_token_is_nobody_once_the_cache_lets_go(keystone: Keystone) -> None:
    password = Secret(keystone.password)
    scope = project_scope("service", "Default")
    login = password_login("vitrine", password, user_domain="Default", scope=scope)
    monotonic = Mock(return_value=0.0)
    source = KeystoneVerifier(KeystoneSession(v3_url(keystone.url), login, timeout=60))
    cache = CachedVerifier(source, seconds=60, size=10, monotonic=monotonic)
    token = keystone.login("demo", project="demo")
    assert await cache.verify(token) is not None
    keystone.revoke(token)
    assert await cache.verify(token) is not None
    monotonic.return_value = 60.0
    assert await cache.verify(token) is None
    await cache.close()


async def test_an_expired_token_is_nobody(keystone: Keystone, verifier: TokenVerifier) -> None:
    token = keystone.expired_token("demo", project="demo")
    assert await identify(verifier, token, None, SERVICE_ROLES) is None


async def test_a_service_vouches_for_an_expired_token(keystone: Keystone, verifier: TokenVerifier) -> None:
    token = keystone.expired_token("demo", project="demo")
    service_token = keystone.login("vitrine", project="service")
    caller = await identify(verifier, token, service_token, SERVICE_ROLES)
    assert caller is not None
    assert caller.user_id == keystone.user_id("demo")
    assert caller.roles == {"member", "reader"}
    assert caller.service_roles == {"service"}


async def test_a_user_cannot_vouch_for_an_expired_token(keystone: Keystone, verifier: TokenVerifier) -> None:
    token = keystone.expired_token("demo", project="demo")
    service_token = keystone.login("admin", project="admin")
    assert await identify(verifier, token, service_token, SERVICE_ROLES) is None


async def test_an_expired_service_token_vouches_for_nothing(keystone: Keystone, verifier: TokenVerifier) -> None:
    service_token = keystone.expired_token("vitrine", project="service")
    token = keystone.login("demo", project="demo")
    caller = await identify(verifier, token, service_token, SERVICE_ROLES)
    assert caller is not None
    assert caller.service_roles == frozenset()


async def test_a_service_cannot_vouch_for_a_revoked_token(keystone: Keystone, verifier: TokenVerifier) -> None:
    token = keystone.login("demo", project="demo")
    keystone.revoke(token)
    service_token = keystone.login("vitrine", project="service")
    assert await identify(verifier, token, service_token, SERVICE_ROLES) is None


async def test_the_service_may_use_an_application_credential(keystone: Keystone) -> None:
    id_, secret = keystone.add_application_credential("vitrine", "service")
    settings = Settings(
        keystone_url=f"{keystone.url}/v3/",
        keystone_application_credential_id=id_,
        keystone_application_credential_secret=Secret(secret),
        keystone_timeout=60,
    )
    caller = await verified(settings, keystone.login("demo", project="demo"))
    assert caller.user_id == keystone.user_id("demo")


async def test_a_users_application_credential_is_the_user(keystone: Keystone, verifier: TokenVerifier) -> None:
    id_, secret = keystone.add_application_credential("demo", "demo", roles=[{"name": "reader"}])
    caller = await verifier.verify(keystone.login_application_credential(id_, secret))
    assert caller is not None
    assert caller.user_id == keystone.user_id("demo")
    assert caller.project_id == keystone.project_id("demo")
    assert caller.roles == {"reader"}


async def test_a_credential_with_access_rules_is_refused_as_they_are_not_enforced(
    keystone: Keystone, verifier: TokenVerifier
) -> None:
    rule = {"service": "image", "method": "GET", "path": "/v2/images"}
    id_, secret = keystone.add_application_credential("demo", "demo", access_rules=[rule])
    assert await verifier.verify(keystone.login_application_credential(id_, secret)) is None


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"keystone_password": Secret("s3cret-wrong")}, "answered 401 to the service's own login: check VITRINE_"),
        ({"keystone_username": "nobody"}, "answered 401 to the service's own login"),
        ({"keystone_project": "demo"}, "answered 401 to the service's own login"),
        (
            {
                "keystone_application_credential_id": "0" * 32,
                "keystone_application_credential_secret": Secret("s3cret-wrong"),
            },
            "answered 404 to the service's own login: check .* the application credential's id",
        ),
        (
            {"keystone_username": "reader", "keystone_project": "demo"},
            "answered 403 to a verification: the service's own user needs the role `service`",
        ),
    ],
)
async def test_a_service_that_may_not_verify_is_told_why(
    keystone: Keystone, keystone_settings: Settings, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(IdentityUnavailable, match=complaint) as caught:
        await verified(keystone_settings, keystone.login("demo", project="demo"), **changes)
    assert "s3cret" not in str(caught.value)
    assert keystone.password not in str(caught.value)


async def test_a_url_that_leads_past_keystone_is_told_so(keystone: Keystone, keystone_settings: Settings) -> None:
    with pytest.raises(IdentityUnavailable, match=r"answered 404 .*: check VITRINE_KEYSTONE_URL"):
        await verified(keystone_settings, "token", keystone_url=f"{keystone.url}/identity")
