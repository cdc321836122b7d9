"""Images as records: create, show, change, delete."""

from aiohttp import web
from msgspec import UNSET

from drivers.errors import ImageNotFound, RevisionConflict
from drivers.records import Image, View
from drivers.usage import UNLIMITED, Limits, check_limits, usage_of
from service.base_url import base_url
from service.body import read_json, read_object
from service.creation import check_body, complete_image, wished_image
from service.editing import Editor
from service.fields import shown_fields
from service.handlers.access import (
    change_image,
    check_current,
    image_response,
    not_modified,
    read_view,
    wants_locations,
)
from service.keys import CALLER, CLOCK, IMAGE_SCHEMA, LIMITS, NEW_IMAGE_ID, POLICY, RULES, STORE
from service.links import first_link, next_link, read_pairs
from service.pages import read_page
from service.patch import dialect_of, parse_patch
from service.policy.gates import may, require, require_collection, visible
from service.policy.targets import own_images
from service.query import read_query
from service.refusals import Forbidden
from service.wire import Links, encode_images


async def create(request: web.Request) -> web.Response:
    """Register an image; its data comes later."""
    base = base_url(request)  # before anything is kept: a bad Host is refused
    body = await read_object(request)
    check_body(body, request.app[IMAGE_SCHEMA])
    rules, caller = request.app[RULES], request[CALLER]
    wished = wished_image(body, rules, caller, request.app[NEW_IMAGE_ID], request.app[CLOCK]())
    limits = await _owners_limits(request, wished)
    image = complete_image(wished, body, rules, caller)
    await request.app[STORE].add(image, limits=limits)
    response = image_response(request, View(image), status=201)
    response.headers["Location"] = f"{base}/v2/images/{image.id}"
    return response


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
    shown = ((view.image, shown_fields(rules, caller, view)) for view in views)
    return web.Response(body=encode_images(shown, links), content_type="application/json")


async def show(request: web.Request) -> web.Response:
    """Show one image the caller may see; also without the body, for HEAD."""
    view = await read_view(request, locations=wants_locations(request))
    require(request.app[POLICY], "get_image", request[CALLER], view)
    return not_modified(request, view) or image_response(request, view)


async def update(request: web.Request) -> web.Response:
    """Change an image by a JSON patch: all of it, or nothing."""
    dialect = dialect_of(request)
    changes = parse_patch(await read_json(request), dialect, request.app[IMAGE_SCHEMA])

    def decide(view: View) -> Image | None:
        if not visible(view, request[CALLER], request.app[POLICY]):
            raise ImageNotFound(view.image.id)
        return Editor(request.app[RULES], request[CALLER], view).apply(changes, dialect) if changes else None

    return image_response(request, await change_image(request, decide))


async def delete(request: web.Request) -> web.Response:
    """Delete an image, whatever its status; its id stays taken."""
    while True:
        view = await read_view(request)
        require(request.app[POLICY], "delete_image", request[CALLER], view)
        if view.image.protected:
            raise Forbidden(f"Image {view.image.id} is protected and cannot be deleted.")
        check_current(request, view)
        try:
            await request.app[STORE].delete(view.image.id, view.image.revision, request.app[CLOCK]())
        except RevisionConflict:
            continue  # somebody changed it meanwhile, perhaps its protection: look again
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
