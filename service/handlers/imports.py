"""Import an image's data: checked and written down here, done by whichever process takes it up (section 2.3)."""

from typing import Any

from aiohttp import web
from msgspec.structs import replace

from drivers.claims import Effects
from drivers.errors import QuotaExceeded, RevisionConflict, TaskNotFound
from drivers.records import Image, View
from drivers.tasks import TaskStatus
from service.body import read_object
from service.data.tools import Handed, Remote, Tools
from service.data.uris import check_uri, opened_fetcher
from service.handlers.access import new_task, read_view, token_of
from service.handlers.data import STORE_HEADER
from service.importing import ImportRequest, check_options, check_status, injected, plan_import, read_import
from service.keys import CALLER, POLICY, TOOLS, VERIFIER
from service.marks import BUSY, LOCK, marked
from service.policy.gates import require, require_visible
from service.refusals import Conflict
from service.work.certificates import keep_certificate
from service.work.plan import Plan


async def start(request: web.Request) -> web.Response:
    """Begin to import; the image and its tasks tell how that goes."""
    tools = request.app[TOOLS]
    body = await read_object(request)
    asked = read_import(body, tools.settings)
    await _require_room(request, tools)
    while True:
        view = await read_view(request)
        plan = await _checked(request, view, asked)
        if plan is None:
            return web.Response(status=202)
        try:
            await _begin(request, view.image, plan, body)
        except RevisionConflict:
            continue  # somebody changed the image meanwhile, perhaps with an import of theirs: look again
        tools.work.set()
        return web.Response(status=202)


async def _checked(request: web.Request, view: View, asked: ImportRequest) -> Plan | None:
    tools, caller = request.app[TOOLS], request[CALLER]
    require_visible(view, caller, request.app[POLICY])
    check_status(view.image, asked.method)
    check_options(asked)
    require(request.app[POLICY], "copy_image" if asked.method == "copy-image" else "modify_image", caller, view)
    await require_unlocked(tools, view.image)
    if asked.method == "glance-direct":
        await _require_staged(tools, view.image)
    plan = plan_import(asked, request.headers.get(STORE_HEADER), view.image, tools.stores)
    if plan and asked.method == "web-download":
        await check_uri(asked.options["uri"], tools.settings)
    return plan


async def _begin(request: web.Request, image: Image, plan: Plan, body: dict[str, Any]) -> None:
    """Write the task down, and lock the image with it, in one go."""
    tools, caller = request.app[TOOLS], request[CALLER]
    now = tools.clock()
    remote = await _remote(request, plan)
    status: TaskStatus = "processing" if remote else "pending"
    properties = image.properties | injected(tools.settings, caller, plan)
    # A copy is of data that was verified, as far as it was to be, and one from elsewhere has the token with it.
    needed = not (plan.copies or remote)
    kept = await keep_certificate(tools, properties, token_of(request)) if needed else None
    task = new_task(request, "api_image_import", image.id, plan.input(image.id, body), kept, status)
    image = replace(image, properties=properties, updated_at=now)
    locked = marked(image, importing=plan.stores, lock=task.id)
    await tools.records.save(locked, effects=Effects(task=task, lease=tools.lease))
    if remote:
        tools.handed.append(Handed(task, remote))


async def _remote(request: web.Request, plan: Plan) -> Remote | None:
    """Find the other service that an image is to be fetched from, in the caller's own catalog. Raises FetchRefused."""
    if plan.method != "glance-download":
        return None
    token, options = token_of(request), plan.options
    wanted = options["glance_region"], options.get("glance_service_interface", "public")
    for endpoint in await request.app[VERIFIER].endpoints(token.reveal(), "image"):
        if (endpoint.region, endpoint.interface) == wanted:
            async with opened_fetcher(request.app[TOOLS].settings) as fetcher:
                await fetcher.check(endpoint.url)
            return Remote(endpoint.url, token)
    return Remote(None, token)  # the task will say so, as in Glance


async def require_unlocked(tools: Tools, image: Image) -> None:
    """Raise Conflict while a task works on the image; one that has ended, or is forgotten, locks nothing."""
    lock = image.properties.get(LOCK)
    if lock is None:
        return
    try:
        task = await tools.records.task(lock)
    except TaskNotFound:
        return
    if task.status in {"pending", "processing"}:
        raise Conflict(BUSY)


async def _require_staged(tools: Tools, image: Image) -> None:
    """Raise Conflict while data is on its way to the stage: an import takes that for what a dead process left."""
    if any(claim.state == "writing" for claim in await tools.records.claims(image.id)):
        raise Conflict("The data is still being staged: import it when that request has been answered.")


async def _require_room(request: web.Request, tools: Tools) -> None:
    """Raise QuotaExceeded when the caller's project holds more than its limit already."""
    project_id = request[CALLER].project_id
    if project_id is None:
        return
    limit = (await tools.limits.limits(project_id)).bytes
    if limit >= 0 and (held := (await tools.records.usage(project_id)).bytes) > limit:
        raise QuotaExceeded("bytes of a project's images", limit, held)
