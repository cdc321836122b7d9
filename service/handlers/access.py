"""What the handlers of images share: read one, answer with one, change one without losing another's change."""

from collections.abc import Callable
from typing import Any

from aiohttp import web
from msgspec import to_builtins
from msgspec.structs import replace

from drivers.claims import Effects
from drivers.records import Image, View
from drivers.tasks import Task, TaskStatus, TaskType
from drivers.usage import UNLIMITED
from service.answer import JsonAnswer
from service.conditional import check_if_match, etag
from service.data.removal import garbage_of
from service.data.tools import Tools
from service.fields import shown_fields
from service.keys import CALLER, RULES, SHOWING, STORE, TOOLS
from service.placing import adopted
from service.request_id import request_id_of
from service.revising import revise
from service.settings import Secret
from service.showing import in_order
from service.work.certificates import Kept


async def read_view(request: web.Request, *, locations: bool = True) -> View:
    """Read the image that the path names, as the caller meets it; with its locations unless told otherwise."""
    project_id = request[CALLER].project_id
    view = await request.app[STORE].get(request.match_info["image_id"], project_id, locations=locations)
    return in_order(request.app[TOOLS].stores, view)


def image_response(request: web.Request, view: View, status: int = 200) -> web.Response:
    """Answer with an image as the caller may see it."""
    said = request.app[SHOWING].say(request[CALLER], view)
    return JsonAnswer(said.body, status=status, headers={"ETag": said.tag})


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


def token_of(request: web.Request) -> Secret:
    """Give the caller's token, to ask other services by."""
    return Secret(request.headers["X-Auth-Token"])


def new_task(
    request: web.Request,
    kind: TaskType,
    image_id: str,
    work: dict[str, Any],
    kept: Kept | None = None,
    status: TaskStatus = "pending",
) -> Task:
    """Write down work on an image that the caller asked for and that goes on when the request has been answered.

    `work` is shown, the certificate that is kept is not.
    """
    tools, caller = request.app[TOOLS], request[CALLER]
    now = tools.clock()
    return Task(
        id=tools.new_id(),
        type=kind,
        status=status,
        owner=caller.project_id,
        created_at=now,
        updated_at=now,
        image_id=image_id,
        request_id=request_id_of(request),
        user_id=caller.user_id,
        input=work,
        private=None if kept is None else to_builtins(kept),
    )


def check_current(request: web.Request, view: View) -> None:
    """Raise PreconditionFailed unless `If-Match`, where it is sent, names the image as the caller sees it."""
    shown = shown_fields(request.app[RULES], request[CALLER], view)
    check_if_match(request.headers, etag(view.image, shown))
