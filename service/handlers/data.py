"""The data of an image: upload, stage, download (reference section 2.2)."""

import re
from functools import partial

from aiohttp import web

from drivers.records import Image, Location, View
from service.cache.cache import Cache
from service.conditional import check_if_match, is_cached
from service.data.blocks import body_blocks
from service.data.ranges import Span, wanted_span
from service.data.send import data_headers, data_tag, open_first, send
from service.data.stores import DataStore, Stores
from service.data.upload import stage as stage_data
from service.data.upload import upload as upload_data
from service.handlers.access import read_view, token_of
from service.keys import CALLER, POLICY, TOOLS
from service.policy.gates import require
from service.refusals import BadRequest, Forbidden, UnsupportedEncoding, UnsupportedMediaType
from service.request_id import HEADER as REQUEST_ID
from service.request_id import request_id_of

OCTETS = "application/octet-stream"
SIZE = re.compile(r"\s*[0-9]{1,19}\s*", re.ASCII)
STORE_HEADER = "X-Image-Meta-Store"
# What an image in another status has is not all there yet, or proved to be other data (reference section 4).
READABLE = frozenset({"active", "deactivated"})


async def upload(request: web.Request) -> web.Response:
    """Keep the body as the data of a queued image, which is active when this is answered."""
    tools = request.app[TOOLS]
    _require_octets(request)
    expected = _expected_size(request)
    target = chosen_store(request, tools.stores)
    view = await read_view(request)
    require(request.app[POLICY], "upload_image", request[CALLER], view)
    blocks = body_blocks(request, tools.settings.idle_seconds)
    await upload_data(tools, view.image, target, blocks, expected, token_of(request))
    return web.Response(status=204)


async def stage(request: web.Request) -> web.Response:
    """Keep the body for an import of a queued image by the method `glance-direct`."""
    tools = request.app[TOOLS]
    if "glance-direct" not in tools.settings.enabled_import_methods:
        raise web.HTTPNotFound
    _require_octets(request)
    expected = _expected_size(request)
    view = await read_view(request)
    require(request.app[POLICY], "modify_image", request[CALLER], view)
    await stage_data(tools, view.image, body_blocks(request, tools.settings.idle_seconds), expected)
    return web.Response(status=204)


async def download(request: web.Request) -> web.StreamResponse:
    """Send an image's data, whole or in part; for HEAD, only tell of it."""
    tools, view = request.app[TOOLS], await read_view(request)
    image = view.image
    cache = tools.cache if _wants_whole(request) else None
    preferred = await _preferred_stores(request, image, cache)
    _require_download(request, view, choosing=bool(preferred))
    if not image.locations or image.status not in READABLE:
        return web.Response(status=204)
    tag = data_tag(image)
    check_if_match(request.headers, tag or "")
    if tag and is_cached(request.headers, tag):
        return web.Response(status=304, headers={"ETag": tag})
    stored = partial(open_first, tools.stores, image, _by_preference(tools.stores.ordered(image), preferred))
    reader = await (cache.open(image, stored) if cache else stored())
    try:
        # Ranges are of GET alone (RFC 9110 section 14.2).
        span = None if request.method == "HEAD" else wanted_span(request.headers, reader.size, tag)
        response = _response(request, image, span, reader.size)
        await send(request, response, reader, span or Span(0, reader.size), tools.settings.idle_seconds)
    finally:
        await reader.close()
    return response


def chosen_store(request: web.Request, stores: Stores) -> DataStore:
    """Find the store that the request names, where there is a choice, else the default. Raises BadRequest."""
    wanted = request.headers.get(STORE_HEADER)
    if not stores.multi or not wanted:
        return stores.default
    for store in stores:
        if store.id == wanted:
            return store
    raise BadRequest(f"{STORE_HEADER} names no store of this service: /v2/info/stores lists them.")


def _require_octets(request: web.Request) -> None:
    # The framework calls octets whatever it cannot read.
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != OCTETS:
        raise UnsupportedMediaType(OCTETS)
    if any(each.strip().lower() not in {"", "identity"} for each in request.headers.getall("Content-Encoding", ())):
        raise UnsupportedEncoding
    if "Content-Range" in request.headers:
        # A part kept as if it were the whole would be an image that nobody sent (RFC 9110 section 14.5).
        raise BadRequest("Data is taken whole: Content-Range is not understood here.")


def _expected_size(request: web.Request) -> int | None:
    told = request.headers.get("x-openstack-image-size")
    if told is None:
        return request.content_length
    if not SIZE.fullmatch(told):
        raise BadRequest("x-openstack-image-size is not a number of bytes.")
    length = request.content_length
    if length not in {None, int(told)}:
        raise BadRequest(f"Size mismatch: expected {int(told)} bytes, got {length} by the Content-Length.")
    return int(told)


def _wants_whole(request: web.Request) -> bool:
    """Tell whether the data itself is asked for, and all of it: nothing else has to do with the cache (10.8)."""
    return request.method == "GET" and not {"Range", "Content-Range"} & request.headers.keys()


async def _preferred_stores(request: web.Request, image: Image, cache: Cache | None) -> list[str]:
    text = request.query.get("prefer")
    if text is None or (cache and await cache.holds(image)):
        return []
    stores = request.app[TOOLS].stores
    if not stores.multi:
        raise BadRequest("'prefer' needs several stores, and this service has one.")
    wanted = [item.strip() for item in text.split(",") if item.strip()]
    unknown = set(wanted) - {store.id for store in stores}
    if unknown:
        raise BadRequest("'prefer' names a store that this service has not: /v2/info/stores lists them.")
    return wanted


def _by_preference(locations: tuple[Location, ...], preferred: list[str]) -> list[Location]:
    def rank(location: Location) -> int:
        store = location.metadata.get("store")
        return preferred.index(store) if store in preferred else len(preferred)

    return sorted(locations, key=rank)


def _require_download(request: web.Request, view: View, *, choosing: bool) -> None:
    policy, caller = request.app[POLICY], request[CALLER]
    if view.image.status == "deactivated" and not policy.is_admin(caller):
        require(policy, "get_image", caller, view)
        raise Forbidden("The requested image has been deactivated. Image data download is forbidden.")
    require(policy, "download_image", caller, view)
    if choosing:
        require(policy, "download_from_store", caller, view)


def _response(request: web.Request, image: Image, span: Span | None, size: int) -> web.StreamResponse:
    headers = data_headers(image) | {REQUEST_ID: request_id_of(request)}
    if span is None:
        return web.StreamResponse(headers=headers)
    headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{size}"
    return web.StreamResponse(status=206, headers=headers)
