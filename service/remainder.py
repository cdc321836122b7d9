"""What is left of a request's body when the answer is given: read for a while, so that clients meet the answer."""

import asyncio

from aiohttp import web

from service.expectation import awaits_invitation

# Clients that look for the answer only once all is sent would meet a reset instead; for more than this, they do.
MOST = 64 << 20
SECONDS = 10.0


def is_too_much(request: web.BaseRequest) -> bool:
    """Tell whether the rest of the body is known to be more than will be read, so that the answer can say so."""
    left = (request.content_length or 0) - request.content.total_bytes
    return left > 0 and (left > MOST or awaits_invitation(request))


async def read_off(request: web.BaseRequest) -> bool:
    """Read the rest of the body and forget it; tell whether the connection can serve another request.

    It cannot where too much is left, or comes too slowly, or not at all because nobody asked for it.
    """
    if request.content.is_eof():
        return True
    if awaits_invitation(request):
        return False
    try:
        async with asyncio.timeout(SECONDS):
            return await _read(request)
    except (TimeoutError, ConnectionError, web.RequestPayloadError):
        return False


async def _read(request: web.BaseRequest) -> bool:
    left = MOST
    while not request.content.is_eof() and left > 0:
        left -= len(await request.content.readany())
    return request.content.is_eof()
