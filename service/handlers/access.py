"""What the handlers of images share: read one, answer with one, change one without losing another's change."""

from collections.abc import Callable

from aiohttp import hdrs, web
from msgspec.structs import replace

from drivers.claims import Effects
from drivers.records import Image, View
from drivers.usage import UNLIMITED
from service import wire
from service.answer import JsonAnswer
from service.conditional import check_if_match, etag, is_cached
from service.data.removal import garbage_of
from service.data.tools import Tools
from service.fields import offers_locations, shown_fields
from service.keys import CALLER, RULES, SETTINGS, STORE, TOOLS
from service.placing import adopted
from service.revising import revise


async def read_view(request: web.Request, *, locations: bool = True) -> View:
    """Read the image that the path names, as the caller meets it; with its locations unless told otherwise."""
    project_id = request[CALLER].project_id
    view = await request.app[STORE].get(request.match_info["image_id"], project_id, locations=locations)
    return in_order(request, view)


def in_order(request: web.Request, view: View) -> View:
    """Order an image's locations as callers meet them, by the weights of their stores."""
    if len(view.image.locations) < 2:
        return view
    return replace(view, image=replace(view.image, locations=request.app[TOOLS].stores.ordered(view.image)))


def image_response(request: web.Request, view: View, status: int = 200) -> web.Response:
    """Answer with an image as the caller may see it."""
    shown = shown_fields(request.app[RULES], request[CALLER], view)
    body = wire.encode_image(view.image, shown)
    return JsonAnswer(body, status=status, headers={"ETag": etag(view.image, shown)})


def not_modified(request: web.Request, view: View) -> web.Response | None:
    """Answer 304 when `If-None-Match` names the image as the caller may see it; None when it does not."""
    condition = request.headers.get(hdrs.IF_NONE_MATCH)
    if condition is None:
        return None
    tag = etag(view.image, shown_fields(request.app[RULES], request[CALLER], view))
    return web.Response(status=304, headers={"ETag": tag}) if is_cached(condition, tag) else None


def wants_locations(request: web.Request) -> bool:
    """Tell whether an answer could show something of the locations."""
    return offers_locations(request.app[SETTINGS])


async def change_image(request: web.Request, decide: Callable[[View], Image | None]) -> View:
    """Read the image, let `decide` say what it becomes, and save that; see `revise`.

    `decide` raises what refuses the change, and returns None where nothing changes. Raises PreconditionFailed when the
    image is not the one that `If-Match` names.
    """

    def decided(view: View) -> Image | None:
        image = decide(view)
        check_current(request, view)
        return image

    async def save(view: View, image: Image) -> Image:
        return await save_change(request.app[TOOLS], view.image, image)

    return await revise(lambda: read_view(request), decided, save)


async def save_change(tools: Tools, before: Image, image: Image) -> Image:
    """Save an image; locations that it has no longer leave garbage, and others more that its owner stores."""
    kept = {each.url for each in image.locations}
    gone = garbage_of(tools, before, [each for each in before.locations if each.url not in kept])
    limits = UNLIMITED if image.locations == before.locations else await tools.limits_of(image)
    effects = Effects(added=gone, adopted=adopted(tools, before, image))
    saved = await tools.records.save(replace(image, updated_at=tools.clock()), limits=limits, effects=effects)
    if gone:
        tools.sweep.set()
    return saved


def check_current(request: web.Request, view: View) -> None:
    """Raise PreconditionFailed unless `If-Match`, where it is sent, names the image as the caller sees it."""
    shown = shown_fields(request.app[RULES], request[CALLER], view)
    check_if_match(request.headers.get(hdrs.IF_MATCH), etag(view.image, shown))
