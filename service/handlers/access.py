"""What the handlers of images share: read one, answer with one, change one without losing another's change."""

from collections.abc import Callable

from aiohttp import hdrs, web
from msgspec.structs import replace

from drivers.errors import RevisionConflict
from drivers.records import Image, View
from service import wire
from service.answer import JsonAnswer
from service.conditional import check_if_match, etag, is_cached
from service.fields import offers_locations, shown_fields
from service.keys import CALLER, CLOCK, RULES, SETTINGS, STORE


async def read_view(request: web.Request, *, locations: bool = True) -> View:
    """Read the image that the path names, as the caller meets it; with its locations unless told otherwise."""
    project_id = request[CALLER].project_id
    return await request.app[STORE].get(request.match_info["image_id"], project_id, locations=locations)


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
    """Read the image, let `decide` say what it becomes, and save that, unless somebody else was faster: then again.

    `decide` raises what refuses the change, and returns None where nothing changes. Each lost race means that another
    request won, so the loop ends. Raises PreconditionFailed when the image is not the one that `If-Match` names.
    """
    while True:
        view = await read_view(request)
        image = decide(view)
        check_current(request, view)
        if image is None:
            return view
        try:
            saved = await request.app[STORE].save(replace(image, updated_at=request.app[CLOCK]()))
        except RevisionConflict:
            continue
        return replace(view, image=saved)


def check_current(request: web.Request, view: View) -> None:
    """Raise PreconditionFailed unless `If-Match`, where it is sent, names the image as the caller sees it."""
    shown = shown_fields(request.app[RULES], request[CALLER], view)
    check_if_match(request.headers.get(hdrs.IF_MATCH), etag(view.image, shown))
