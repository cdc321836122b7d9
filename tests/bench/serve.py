"""The servers of the benchmark that `vitrine serve` cannot be: the bare handler, and Vitrine put together otherwise."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from random import SystemRandom
from types import MappingProxyType

import uvloop
from aiohttp import web

from drivers.protocol import ImageStore
from drivers.registry import open_store
from service.app import make_app
from service.connection import listen
from service.data.stores import opened_stores
from service.policy.engine import load_policy
from service.server import asked_to_stop
from service.settings import Secret, Settings
from service.tokens.cache import CachedVerifier
from service.tokens.protocol import TokenVerifier
from service.tokens.static import StaticVerifier
from service.wire import encode_image
from tests.bench.data import CALLER, TOKEN, fill, images


@asynccontextmanager
async def bare(port: int) -> AsyncIterator[None]:
    """Serve what Vitrine is compared with: aiohttp as it comes, one route, one handler, the bodies ready to be sent."""
    bodies = {image.id: encode_image(image) for image in images()}

    async def show(request: web.Request) -> web.Response:
        return web.Response(body=bodies[request.match_info["image_id"]], content_type="application/json")

    app = web.Application()
    app.router.add_get("/v2/images/{image_id}", show)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield
    await runner.cleanup()


async def memory_app() -> web.Application:
    """Make Vitrine on a memory driver that holds the images."""
    store = await open_store("memory://")
    await fill(store, images())
    return await _app(store, StaticVerifier({TOKEN: CALLER}))


async def cached_app(database: str) -> web.Application:
    """Make Vitrine on a filled database, with the token cache that Keystone's verifier would have in front."""
    verifier = CachedVerifier(StaticVerifier({TOKEN: CALLER}), seconds=60, size=10_000)
    return await _app(await open_store(database), verifier)


async def _app(store: ImageStore, verifier: TokenVerifier) -> web.Application:
    settings = Settings(stores=Secret("memory://"))
    app_stores = await AsyncExitStack().enter_async_context(opened_stores(settings))
    return make_app(settings, store, app_stores, verifier, load_policy(None), SystemRandom())


APPS: Mapping[str, Callable[..., Awaitable[web.Application]]] = MappingProxyType(
    {"memory": memory_app, "cached": cached_app}
)


@asynccontextmanager
async def vitrine(port: int, kind: str, *arguments: str) -> AsyncIterator[None]:
    """Serve one of the applications as `vitrine serve` does."""
    async with listen(await APPS[kind](*arguments), Settings(port=port, drain_seconds=1)):
        yield


async def serve(kind: str, port: str, *arguments: str) -> None:
    """Serve one of them, or the bare handler, on a port of 127.0.0.1 until stopped."""
    async with bare(int(port)) if kind == "bare" else vitrine(int(port), kind, *arguments):
        await asked_to_stop()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(*sys.argv[1:]))
