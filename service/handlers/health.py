"""Whether the process lives, and whether it can serve: for probes, load balancers and people."""

from aiohttp import web

from drivers.errors import StoreUnavailable
from service.keys import DRAINING, STORE


async def live(request: web.Request) -> web.Response:
    """Answer as long as the process does; nothing else is asked, so a database that is away restarts nobody."""
    return web.Response(text="OK")


async def ready(request: web.Request) -> web.Response:
    """Answer 200 when requests can be served, else 503 and why: draining, storage away, or its schema too old."""
    if request.app[DRAINING].is_set():
        return web.Response(status=503, text="Draining: the service is about to stop.")
    try:
        await request.app[STORE].check()
    except StoreUnavailable as error:
        return web.Response(status=503, text=str(error))
    return web.Response(text="OK")
