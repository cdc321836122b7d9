"""Images as records: create, show, change, delete."""

from collections.abc import Iterator
from typing import Any

from aiohttp import web
from msgspec import UNSET

from drivers.errors import RevisionConflict
from drivers.records import Image, View
from drivers.usage import UNLIMITED, Limits, check_limits, usage_of
from service.answer import JsonAnswer
from service.base_url import base_url
from service.body import read_json, read_object
from service.conditional import is_cached
from service.creation import check_body, complete_image, wished_image
from service.data.removal import garbage_of
from service.editing import Editor
from service.handlers.access import (
    change_image,
    check_current,
    image_response,
    read_view,
)
from service.keys import CALLER, CLOCK, IMAGE_SCHEMA, LIMITS, NEW_IMAGE_ID, POLICY, RULES, SHOWING, STORE, TOOLS
from service.links import first_link, next_link, read_pairs
from service.location_edits import LocationWanted
from service.pages import read_page
from service.patch import dialect_of, parse_patch
from service.placing import Found, find, place_for
from service.policy.gates import may, require, require_collection, require_visible
from service.policy.targets import own_images
from service.query import read_query
from service.refusals import Forbidden
from service.wire import Links


async def create(request: web.Request) -> web.Response:
    """Register an image; its data comes later."""
    base = base_url(request)  # before anything is kept: a bad Host is refused
    image, limits = await described_image(request, await read_object(request))
    await request.app[STORE].add(image, limits=limits)
    response = image_response(request, View(image), status=201)
    response.headers["Location"] = f"{base}/v2/images/{image.id}"
    response.headers.update(_ways_for_data(request))
    return response


async def described_image(request: web.Request, body: dict[str, Any]) -> tuple[Image, Limits]:
    """Make a new image as the body describes it, if its caller may, and give the limits of whose it will be.

    Raises what the steps of section 2.1 refuse.
    """
    check_body(body, request.app[IMAGE_SCHEMA])
    rules, caller = request.app[RULES], request[CALLER]
    wished = wished_image(body, rules, caller, request.app[NEW_IMAGE_ID], request.app[CLOCK]())
    limits = await _owners_limits(request, wished)
    return complete_image(wished, body, rules, caller), limits


async def index(request: web.Request) -> web.Response:
    """List a page of the images the caller may see."""
    rules, caller = request.app[RULES], request[CALLER]
    require_collection(rules.policy, "get_images", caller, own_images(caller))
    pairs = read_pairs(request.rel_url.raw_query_string)
    query = read_query(pairs, rules, caller)
    views = await read_page(
        request.app[STORE].list_images,
        query,
        query.limit,
        lambda view: may(rules.policy, "get_image", caller, view),
        lambda view: view.image.id,
    )
    last = views[-1].image.id if views and len(views) == query.limit else None
    links = Links(first=first_link(pairs), next=next_link(pairs, last) if last else UNSET)
    return JsonAnswer(request.app[SHOWING].say_page(caller, views, links, first=query.marker is None))


async def show(request: web.Request) -> web.Response:
    """Show one image the caller may see; also without the body, for HEAD."""
    said = await request.app[SHOWING].show(request[CALLER], request.match_info["image_id"])
    if is_cached(request.headers, said.tag):
        return web.Response(status=304, headers={"ETag": said.tag})
    return JsonAnswer(said.body, headers={"ETag": said.tag})


async def update(request: web.Request) -> web.Response:
    """Change an image by a JSON patch: all of it, or nothing."""
    dialect = dialect_of(request)
    changes = parse_patch(await read_json(request), dialect, request.app[IMAGE_SCHEMA])
    found: dict[str, Found] = {}

    def decide(view: View) -> Image | None:
        require_visible(view, request[CALLER], request.app[POLICY])
        editor = Editor(request.app[RULES], request[CALLER], view, found)
        return editor.apply(changes, dialect) if changes else None

    while True:
        try:
            return image_response(request, await change_image(request, decide))
        except LocationWanted as wanted:
            store = place_for(request.app[TOOLS], wanted.url, request[CALLER])
            found[wanted.url] = await find(request.app[TOOLS], store, wanted.url)


async def delete(request: web.Request) -> web.Response:
    """Delete an image, whatever its status; its id stays taken, and its data goes when this has been answered."""
    tools = request.app[TOOLS]
    while True:
        view = await read_view(request)
        require(request.app[POLICY], "delete_image", request[CALLER], view)
        if view.image.protected:
            raise Forbidden(f"Image {view.image.id} is protected and cannot be deleted.")
        check_current(request, view)
        try:
            await tools.records.delete(
                view.image.id, view.image.revision, tools.clock(), garbage=garbage_of(tools, view.image)
            )
        except RevisionConflict:
            continue  # somebody changed it meanwhile, perhaps its protection: look again
        tools.sweep.set()
        if tools.cache is not None:
            await tools.cache.forget(view.image.id)
        return web.Response(status=204)


async def _owners_limits(request: web.Request, wished: Image) -> Limits:
    """Give the limits of the owner-to-be. Raises QuotaExceeded when they leave no room for the image (step 6).

    This only keeps the order in which Glance refuses: `add` makes sure in its transaction.
    """
    if wished.owner is None:
        return UNLIMITED
    limits = await request.app[LIMITS].limits(wished.owner)
    if limits.images >= 0:
        change = usage_of(wished)
        check_limits(await request.app[STORE].usage(wished.owner) + change, change, limits)
    return limits


def _ways_for_data(request: web.Request) -> Iterator[tuple[str, str]]:
    """Tell the owner of a new image how its data may come: by which imports, and into which stores."""
    tools = request.app[TOOLS]
    if methods := tools.settings.enabled_import_methods:
        yield "OpenStack-image-import-methods", ",".join(methods)
    if tools.stores.multi:
        yield "OpenStack-image-store-ids", ",".join(store.id for store in tools.stores)
