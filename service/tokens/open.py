"""The token verifier that the settings choose."""

from typing import TypeVar

from yarl import URL

from service.settings import Secret, Settings, SettingsError
from service.tokens.cache import CachedVerifier
from service.tokens.keystone import KeystoneVerifier
from service.tokens.keystone_wire import application_credential_login, password_login, tokens_url
from service.tokens.protocol import TokenVerifier
from service.tokens.static import StaticVerifier, read_tokens

T = TypeVar("T")


async def open_verifier(settings: Settings) -> TokenVerifier:
    """Open the verifier named by `tokens`; it does not talk to Keystone before the first token.

    Raises SettingsError when a setting it needs is missing or malformed.
    """
    if settings.tokens == "static":
        return StaticVerifier(read_tokens(_needed(settings.tokens_file, "TOKENS_FILE")))
    keystone = KeystoneVerifier(_url(settings), _login(settings), timeout=settings.keystone_timeout)
    return CachedVerifier(keystone, seconds=settings.token_cache_seconds, size=settings.token_cache_size)


def _url(settings: Settings) -> URL:
    try:
        return tokens_url(_needed(settings.keystone_url, "KEYSTONE_URL"))
    except ValueError:
        raise SettingsError("VITRINE_KEYSTONE_URL is not an http or https URL with a host.") from None


def _login(settings: Settings) -> Secret:
    if id_ := settings.keystone_application_credential_id:
        secret = settings.keystone_application_credential_secret
        return application_credential_login(id_, _needed(secret, "KEYSTONE_APPLICATION_CREDENTIAL_SECRET"))
    return password_login(
        _needed(settings.keystone_username, "KEYSTONE_USERNAME"),
        _needed(settings.keystone_password, "KEYSTONE_PASSWORD"),
        user_domain=settings.keystone_user_domain,
        project=settings.keystone_project,
        project_domain=settings.keystone_project_domain,
    )


def _needed(value: T | None, name: str) -> T:
    if value is None:
        raise SettingsError(f"VITRINE_{name} is not set, which VITRINE_TOKENS needs here; the README explains both.")
    return value
