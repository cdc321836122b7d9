"""The service's own address, as its clients know it."""

import re

from aiohttp import web

from service.keys import SETTINGS
from service.refusals import BadRequest

# A name or an address and perhaps a port; what else a client may call a host would end up in our links.
HOST = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,255})(:[0-9]{1,5})?")


def base_url(request: web.Request) -> str:
    """Give `public_endpoint`, or the scheme and host of the request (reference section 1.2).

    Raises BadRequest for a `Host` that is none.
    """
    endpoint = request.app[SETTINGS].public_endpoint
    if endpoint:
        return endpoint.rstrip("/")
    if not HOST.fullmatch(request.host):
        raise BadRequest("The Host header is not a host with an optional port.")
    return f"{request.scheme}://{request.host}"
