"""Who asks: `X-Auth-Token` becomes a Caller, and requests that are not the API's are told apart from it."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from service.addressing import names_version
from service.handlers.versions import multiple_choices
from service.keys import CALLER, VERIFIER
from service.refusals import Unauthorized
from service.settings import Settings
from service.tokens.identify import identify


def authenticate(settings: Settings, versions: frozenset[str], open_segments: frozenset[str]) -> Middleware:
    """Make the middleware that lets nobody into the API without a valid token (reference sections 1.1 and 8.3).

    Every `OPTIONS` is answered at once (section 8.6). Paths whose first segment is in `open_segments` need no token,
    any other that is not under an accepted version gets the list of versions. Raises Unauthorized; a verifier that
    cannot tell raises IdentityUnavailable.
    """
    keystone = settings.www_authenticate_uri or settings.keystone_url
    vouching_roles = frozenset(settings.service_token_roles)

    @web.middleware
    async def authenticating(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return web.Response()
        path, headers = request.path, request.headers
        segment = path.split("/", 2)[1]
        if segment in open_segments:
            return await handler(request)
        if not names_version(segment, headers.get("Accept"), versions):
            return await multiple_choices(request)
        caller = await identify(
            request.app[VERIFIER], headers.get("X-Auth-Token"), headers.get("X-Service-Token"), vouching_roles
        )
        if caller is None:
            raise Unauthorized(keystone)
        request[CALLER] = caller
        return await handler(request)

    return authenticating
