"""Who asks: `X-Auth-Token` becomes a Caller."""

from collections.abc import Awaitable, Callable, Mapping

from multidict import istr

from service.caller import Caller
from service.refusals import Unauthorized
from service.settings import Settings
from service.tokens.identify import identify
from service.tokens.protocol import TokenVerifier

TOKEN = istr("X-Auth-Token")
SERVICE_TOKEN = istr("X-Service-Token")
Authenticate = Callable[[Mapping[str, str]], Awaitable[Caller]]


def authenticator(settings: Settings, verifier: TokenVerifier) -> Authenticate:
    """Make the step that lets nobody past without a valid token (reference section 8.3).

    It raises Unauthorized; a verifier that cannot tell raises IdentityUnavailable.
    """
    keystone = settings.www_authenticate_uri or settings.keystone_url
    vouching_roles = frozenset(settings.service_token_roles)

    async def authenticate(headers: Mapping[str, str]) -> Caller:
        caller = await identify(verifier, headers.get(TOKEN), headers.get(SERVICE_TOKEN), vouching_roles)
        if caller is None:
            raise Unauthorized(keystone)
        return caller

    return authenticate
