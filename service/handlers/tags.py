"""Tags of an image, one at a time."""

from aiohttp import web
from msgspec.structs import replace

from drivers.records import Image, View
from service.editing import check_tag_quota
from service.handlers.access import change_image
from service.image_names import NAME_LIMIT
from service.keys import CALLER, POLICY, SETTINGS
from service.policy.gates import require
from service.refusals import BadRequest, NotFound


async def add(request: web.Request) -> web.Response:
    """Put a tag on an image; one that is there already changes nothing."""
    tag = _tag(request)
    if len(tag) > NAME_LIMIT:
        raise BadRequest(f"The tag is longer than {NAME_LIMIT} characters.")

    def decide(view: View) -> Image | None:
        require(request.app[POLICY], "modify_image", request[CALLER], view)
        if tag in view.image.tags:
            return None
        tags = tuple(sorted({*view.image.tags, tag}))
        check_tag_quota(tags, request.app[SETTINGS])
        return replace(view.image, tags=tags)

    await change_image(request, decide)
    return web.Response(status=204)


async def remove(request: web.Request) -> web.Response:
    """Take a tag off an image."""
    tag = _tag(request)

    def decide(view: View) -> Image:
        require(request.app[POLICY], "modify_image", request[CALLER], view)
        if tag not in view.image.tags:
            raise NotFound(f"Tag '{tag[:NAME_LIMIT]}' not found in image {view.image.id}.")
        return replace(view.image, tags=tuple(each for each in view.image.tags if each != tag))

    await change_image(request, decide)
    return web.Response(status=204)


def _tag(request: web.Request) -> str:
    tag = request.match_info["tag"]
    if "/" in tag:  # sent as %2F: a tag is one segment of the path, and so cannot hold it
        raise web.HTTPNotFound
    return tag
