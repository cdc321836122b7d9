"""An image's data in one store of several (reference section 2.8)."""

from aiohttp import web
from msgspec.structs import replace

from drivers.records import Image, View
from service.handlers.access import change_image
from service.keys import CALLER, POLICY, TOOLS
from service.policy.gates import require
from service.refusals import Conflict, Forbidden, NotFound


async def remove(request: web.Request) -> web.Response:
    """Remove the data from one store, as long as another has it too."""
    stores, store_id = request.app[TOOLS].stores, request.match_info["store_id"]
    if not stores.multi:
        raise web.HTTPNotFound
    if stores.get(store_id) is None:
        raise Conflict(f"'{store_id[:64]}' is no store of this service: /v2/info/stores lists them.")

    def decide(view: View) -> Image:
        for rule in ("get_image_location", "delete_image_location"):
            require(request.app[POLICY], rule, request[CALLER], view)
        return _without(view.image, store_id)

    await change_image(request, decide)
    return web.Response(status=204)


def _without(image: Image, store_id: str) -> Image:
    if image.status != "active":
        raise Conflict(f"Only an active image's data can be removed from a store, and this one is {image.status}.")
    kept = tuple(each for each in image.locations if each.metadata.get("store") != store_id)
    if len(image.locations) == 1:
        raise Forbidden("Cannot delete image data from the only store containing it. Consider deleting the image.")
    if len(kept) == len(image.locations):
        raise NotFound(f"The image has no data in the store '{store_id}'.")
    if not kept:
        raise Forbidden("All of the image's data is in this store. Consider deleting the image.")
    return replace(image, locations=kept)
