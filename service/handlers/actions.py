"""Deactivate and reactivate: whether an image's data may be downloaded (reference section 2.4)."""

from aiohttp import web
from msgspec.structs import replace

from drivers.records import Image, Status, View
from service.handlers.access import change_image
from service.keys import CALLER, POLICY
from service.policy.gates import require
from service.refusals import Forbidden


async def deactivate(request: web.Request) -> web.Response:
    """Keep everybody but admins from downloading an image's data."""
    return await _turn(request, "deactivate", "deactivated")


async def reactivate(request: web.Request) -> web.Response:
    """Let the image be downloaded again."""
    return await _turn(request, "reactivate", "active")


async def _turn(request: web.Request, rule: str, wanted: Status) -> web.Response:
    def decide(view: View) -> Image | None:
        require(request.app[POLICY], rule, request[CALLER], view)
        if view.image.status not in {"active", "deactivated"}:
            raise Forbidden(f"Not allowed to {rule} image in status '{view.image.status}'")
        return None if view.image.status == wanted else replace(view.image, status=wanted)

    await change_image(request, decide)
    return web.Response(status=204)
