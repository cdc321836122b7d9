"""Whether the process lives, and whether it can serve: for probes, load balancers and people."""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from drivers.errors import StoreUnavailable
from service.keys import DRAINING, STORE, TOOLS


async def live(request: web.Request) -> web.Response:
    """Answer as long as the process does; nothing else is asked, so a database that is away restarts nobody."""
    return web.Response(text="OK")


async def metrics(request: web.Request) -> web.Response:
    """Tell what this process has counted, as Prometheus reads it."""
    tools = request.app[TOOLS]
    body = generate_latest(tools.metrics.registry)
    if tools.cache is not None:
        body += generate_latest(tools.cache.metrics.registry)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


async def ready(request: web.Request) -> web.Response:
    """Answer 200 when requests can be served, else 503 and why: draining, storage away, or its schema too old."""
    if request.app[DRAINING].is_set():
        return web.Response(status=503, text="Draining: the service is about to stop.")
    try:
        await request.app[STORE].check()
    except StoreUnavailable as error:
        return web.Response(status=503, text=str(error))
    return web.Response(text="OK")
