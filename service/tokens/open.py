"""The token verifier that the settings choose, and sessions with the Keystone that they name."""

from typing import Any, TypeVar

from yarl import URL

from service.settings import Secret, Settings, SettingsError
from service.tokens.cache import CachedVerifier
from service.tokens.keystone import KeystoneVerifier
from service.tokens.keystone_session import KeystoneSession
from service.tokens.keystone_wire import (
    application_credential_login,
    password_login,
    project_scope,
    system_scope,
    v3_url,
)
from service.tokens.protocol import TokenVerifier
from service.tokens.static import StaticVerifier, read_tokens

T = TypeVar("T")

ASKER = "VITRINE_TOKENS"


async def open_verifier(settings: Settings) -> TokenVerifier:
    """Open the verifier named by `tokens`; it does not talk to Keystone before the first token.

    Raises SettingsError when a setting it needs is missing or malformed.
    """
    if settings.tokens == "static":
        return StaticVerifier(read_tokens(needed(settings.tokens_file, "TOKENS_FILE", ASKER)))
    url = _url(settings, ASKER)
    session = KeystoneSession(url, _login(settings), timeout=settings.keystone_timeout)
    return CachedVerifier(
        KeystoneVerifier(session), seconds=settings.token_cache_seconds, size=settings.token_cache_size
    )


def open_system_session(settings: Settings, asker: str) -> KeystoneSession:
    """Open a session of the service's own user, scoped to the system; an application credential cannot be.

    Raises SettingsError when a setting it needs is missing or malformed; `asker` is the variable that needs it.
    """
    url = _url(settings, asker)
    return KeystoneSession(url, _password_login(settings, system_scope(), asker), timeout=settings.keystone_timeout)


def needed(value: T | None, name: str, asker: str) -> T:
    """Give the value of a setting, or raise SettingsError for one that is not set but needed by another, `asker`."""
    if value is None:
        raise SettingsError(f"VITRINE_{name} is not set, which {asker} needs here; the README explains both.")
    return value


def _url(settings: Settings, asker: str) -> URL:
    try:
        return v3_url(needed(settings.keystone_url, "KEYSTONE_URL", asker))
    except ValueError:
        raise SettingsError("VITRINE_KEYSTONE_URL is not an http or https URL with a host.") from None


def _login(settings: Settings) -> Secret:
    if id_ := settings.keystone_application_credential_id:
        secret = settings.keystone_application_credential_secret
        return application_credential_login(id_, needed(secret, "KEYSTONE_APPLICATION_CREDENTIAL_SECRET", ASKER))
    scope = project_scope(settings.keystone_project, settings.keystone_project_domain)
    return _password_login(settings, scope, ASKER)


def _password_login(settings: Settings, scope: dict[str, Any], asker: str) -> Secret:
    return password_login(
        needed(settings.keystone_username, "KEYSTONE_USERNAME", asker),
        needed(settings.keystone_password, "KEYSTONE_PASSWORD", asker),
        user_domain=settings.keystone_user_domain,
        scope=scope,
    )
