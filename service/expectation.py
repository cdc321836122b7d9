"""`Expect: 100-continue`: a body is asked for only once it is wanted (RFC 9110 section 10.1.1)."""

from aiohttp import HttpVersion11, web

CONTINUE = "100-continue"
_INVITED: web.RequestKey[bool] = web.RequestKey("INVITED", bool)


async def invite_later(request: web.Request) -> None:
    """Leave it to whoever reads the body; the framework would ask for it before anybody looked at the request.

    Raises HTTPExpectationFailed for what cannot be expected (RFC 9110 section 15.5.18).
    """
    if request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() != CONTINUE:
        raise web.HTTPExpectationFailed


async def invite(request: web.Request) -> None:
    """Ask for the body, where the client waits to be asked; to be called before it is read."""
    if awaits_invitation(request):
        request[_INVITED] = True
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # nothing of the answer proper


def awaits_invitation(request: web.BaseRequest) -> bool:
    """Tell whether the client holds its body back until it is asked for it."""
    expects = request.headers.get("Expect", "").lower() == CONTINUE and request.version >= HttpVersion11
    return expects and _INVITED not in request
