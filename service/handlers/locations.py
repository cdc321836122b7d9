"""The locations API: where an image's data is, told by services and to services (reference section 2.7)."""

from typing import Any

import msgspec
from aiohttp import web
from msgspec.structs import replace

from drivers.claims import Effects
from drivers.errors import RevisionConflict
from drivers.records import Image, View
from service.body import read_object
from service.handlers.access import new_task, read_view
from service.handlers.imports import require_unlocked
from service.keys import CALLER, POLICY, TOOLS
from service.marks import marked
from service.placing import Validation, is_digest, is_service, read_validation, require_free
from service.policy.gates import require, require_visible
from service.refusals import BadRequest, Conflict, Forbidden
from service.wire import LocationBody

URL_LIMIT = 2048


async def index(request: web.Request) -> web.Response:
    """List where an image's data is, for services."""
    view = await read_view(request)
    require(request.app[POLICY], "fetch_image_location", request[CALLER], view)
    locations = [LocationBody(each.url, each.metadata) for each in view.image.locations]
    return web.Response(body=msgspec.json.encode(locations), content_type="application/json")


async def add(request: web.Request) -> web.Response:
    """Begin to put a location on a queued image; its tasks tell how that goes."""
    body = await read_object(request)
    url, validation = _read(body)
    while True:
        view = await read_view(request)
        await _check(request, view, url, validation)
        try:
            await _begin(request, view.image, url, body.get("validation_data"))
        except RevisionConflict:
            continue  # somebody changed the image meanwhile: look again
        request.app[TOOLS].work.set()
        return web.Response(status=202)


def _read(body: dict[str, Any]) -> tuple[str, Validation | None]:
    url = body.get("url")
    if not isinstance(url, str) or not 0 < len(url) <= URL_LIMIT:
        raise BadRequest(f"The body needs a 'url', as text of at most {URL_LIMIT} characters.")
    return url, read_validation(body.get("validation_data"))


async def _check(request: web.Request, view: View, url: str, validation: Validation | None) -> None:
    tools, caller, policy = request.app[TOOLS], request[CALLER], request.app[POLICY]
    image = view.image
    require_visible(view, caller, policy)
    if image.status != "queued":
        raise Conflict(f"A location can only be put on a queued image, and this one is {image.status}.")
    require(policy, "add_image_location", caller, view)
    store = next((store for store in tools.stores if store.blobs.owns(url)), None)
    if not is_service(caller) and (store is None or not store.blobs.read_only):
        raise Forbidden("Only services may put locations on an image that are not http URLs.")
    if validation and not is_digest(*validation):
        raise BadRequest(f"'os_hash_value' is not the hexadecimal form of a {validation.algorithm} hash.")
    if image.container_format is None or image.disk_format is None:
        raise Conflict("'container_format' and 'disk_format' need to be set before there is a location.")
    await require_unlocked(tools, image)
    if store is not None:
        await require_free(tools, store, url)


async def _begin(request: web.Request, image: Image, url: str, validation_data: Any) -> None:
    work = {"image_id": image.id, "loc_url": url, "validation_data": validation_data}
    task = new_task(request, "location_import", image.id, work)
    locked = replace(marked(image, lock=task.id), updated_at=task.updated_at)
    await request.app[TOOLS].records.save(locked, effects=Effects(task=task))
