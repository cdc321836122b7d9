"""The cache of this node: what it holds, what waits for it, and its upkeep (reference section 2.11)."""

import msgspec
from aiohttp import web

from service.answer import JsonAnswer
from service.cache.cache import Cache
from service.handlers.access import read_view
from service.keys import CALLER, CLOCK, POLICY, STORE, TOOLS
from service.policy.gates import require, require_collection
from service.refusals import BadRequest, Conflict, NotFound
from service.wire import json_response

TARGET_HEADER = "x-image-cache-clear-target"


class CachedImage(msgspec.Struct, frozen=True):
    """An image in the cache; times are seconds since the epoch."""

    image_id: str
    hits: int
    last_accessed: float
    last_modified: float
    size: int


class CachedImages(msgspec.Struct, frozen=True):
    """What the cache holds."""

    cached_images: list[CachedImage]


class QueuedImages(msgspec.Struct, frozen=True):
    """The ids of the images that wait to be fetched, the first first."""

    queued_images: list[str]


class CacheState(msgspec.Struct, frozen=True):
    """What the cache holds, and what waits for it."""

    cached_images: list[CachedImage]
    queued_images: list[str]


class CachePruned(msgspec.Struct, frozen=True):
    """What was removed to make room."""

    total_files_pruned: int
    total_bytes_pruned: int


class Deleted(msgspec.Struct, frozen=True):
    """How many there were."""

    num_deleted: int


async def index(request: web.Request) -> web.Response:
    """List what the cache holds, and what waits for it."""
    cache = _cache(request, "cache_list")
    return json_response(CacheState(await _cached(cache), await cache.queue()))


async def add(request: web.Request) -> web.Response:
    """Let an image be fetched into the cache, at once and behind this answer."""
    view = await read_view(request, locations=False)
    require(request.app[POLICY], "cache_image", request[CALLER], view)
    cache = _configured(request)
    if view.image.status != "active":
        raise BadRequest(f"Only an active image can be cached, and this one is {view.image.status}.")
    if not await cache.holds(view.image):
        await cache.enqueue(view.image.id)
    return web.Response(status=202)


async def remove(request: web.Request) -> web.Response:
    """Remove an image from the cache and from its queue; one that was deleted may be there still."""
    cache, image_id = _cache(request, "cache_delete"), request.match_info["image_id"]
    removed = [await cache.remove(image_id), await cache.dequeue(image_id)]
    if not any(removed):
        await request.app[STORE].get(image_id, request[CALLER].project_id)
    return web.Response(status=204)


async def clear(request: web.Request) -> web.Response:
    """Remove everything from the cache, from its queue, or from both, as a header says."""
    cache = _cache(request, "cache_delete")
    target = request.headers.get(TARGET_HEADER, "").strip().lower()
    if target not in {"", "cache", "queue"}:
        raise BadRequest(f"{TARGET_HEADER} is `cache`, `queue` or empty, which means both.")
    if target != "cache":
        await cache.clear_queue()
    if target != "queue":
        await cache.clear()
    return web.Response(status=204)


async def nodes(request: web.Request) -> web.Response:
    """Refuse: each node knows its own cache only."""
    _cache(request, "list_cached_nodes")
    raise Conflict("Each node has a cache of its own, and none knows of the others'.")


async def clean(request: web.Request) -> web.Response:
    """Remove what is broken, and what killed processes left half copied."""
    await _cache(request, "cache_clean").clean(request.app[CLOCK]().timestamp())
    return web.Response()


async def prune(request: web.Request) -> web.Response:
    """Remove what was used longest ago until the rest is within the limit."""
    return json_response(CachePruned(*await _cache(request, "cache_prune").prune()))


async def old_index(request: web.Request) -> web.Response:
    """List what the cache holds, by the old API."""
    return json_response(CachedImages(await _cached(_cache(request, "manage_image_cache"))))


async def old_clear(request: web.Request) -> web.Response:
    """Remove everything from the cache, by the old API."""
    return json_response(Deleted(await _cache(request, "manage_image_cache").clear()))


async def old_remove(request: web.Request) -> web.Response:
    """Remove an image from the cache, by the old API."""
    await _cache(request, "manage_image_cache").remove(request.match_info["image_id"])
    return _null()


async def old_queue(request: web.Request) -> web.Response:
    """List what waits for the cache, by the old API."""
    return json_response(QueuedImages(await _cache(request, "manage_image_cache").queue()))


async def old_clear_queue(request: web.Request) -> web.Response:
    """Empty the queue, by the old API."""
    return json_response(Deleted(await _cache(request, "manage_image_cache").clear_queue()))


async def old_enqueue(request: web.Request) -> web.Response:
    """Let an image be fetched into the cache, by the old API, which does not ask whether there is one."""
    cache, image_id = _cache(request, "manage_image_cache"), request.match_info["image_id"]
    if image_id not in {entry.image_id for entry in await cache.entries()}:
        await cache.enqueue(image_id)
    return _null()


async def old_dequeue(request: web.Request) -> web.Response:
    """Take an image out of the queue, by the old API."""
    await _cache(request, "manage_image_cache").dequeue(request.match_info["image_id"])
    return _null()


def _cache(request: web.Request, rule: str) -> Cache:
    require_collection(request.app[POLICY], rule, request[CALLER], {})
    return _configured(request)


def _configured(request: web.Request) -> Cache:
    cache = request.app[TOOLS].cache
    if cache is None:
        raise NotFound("This service has no cache of images.")
    return cache


async def _cached(cache: Cache) -> list[CachedImage]:
    return [CachedImage(*entry) for entry in await cache.entries()]


def _null() -> web.Response:
    return JsonAnswer(b"null")
