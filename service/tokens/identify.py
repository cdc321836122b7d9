"""The two token headers of a request, turned into one caller as OpenStack's standard middleware does it."""

from collections.abc import Iterable

import msgspec

from service.caller import Caller
from service.tokens.protocol import TokenVerifier


async def identify(
    verifier: TokenVerifier, token: str | None, service_token: str | None, service_token_roles: Iterable[str]
) -> Caller | None:
    """Tell who asks, given `X-Auth-Token` and `X-Service-Token`; None when the request has no valid user token.

    A valid service token with one of `service_token_roles` (in any case) adds its roles to the caller and lets an
    expired user token pass. Any other service token is ignored: the request counts as the user's own, as Glance
    treats it behind keystonemiddleware 13 (`delay_auth_decision` and `service_token_roles_required` on).
    Raises IdentityUnavailable.
    """
    if not token:
        return None
    service = await verifier.verify(service_token) if service_token else None
    if service is None or service.roles.isdisjoint(role.lower() for role in service_token_roles):
        return await verifier.verify(token)
    caller = await verifier.verify(token, allow_expired=True)
    return msgspec.structs.replace(caller, service_roles=service.roles) if caller else None
