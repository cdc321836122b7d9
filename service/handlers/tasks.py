"""Tasks: of one image for those who see it, and of everybody for administrators (reference section 2.10)."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from drivers.claims import Effects
from drivers.errors import TaskNotFound
from drivers.tasks import Task
from service.base_url import base_url
from service.body import read_object
from service.handlers.access import new_task, read_view, token_of
from service.handlers.images import described_image
from service.importing import image_fields, read_old_import
from service.keys import CALLER, POLICY, TOOLS
from service.links import TASKS, first_link, next_link, read_pairs
from service.marks import marked
from service.policy.gates import require, require_collection
from service.task_query import read_task_query
from service.wire import Time, json_response, whole_second
from service.work.certificates import keep_certificate


class TaskRow(msgspec.Struct, frozen=True):
    """A task of an image; times have no zone, and are UTC."""

    id: str
    type: str
    status: str
    owner: str | None
    expires_at: str | None
    created_at: str
    updated_at: str
    image_id: str | None
    request_id: str | None
    user_id: str | None
    input: dict[str, Any]
    result: dict[str, Any] | None
    message: Annotated[str, Meta(description="How far it is, or why it failed.")]
    deleted_at: str | None = None
    deleted: bool = False


class TaskRows(msgspec.Struct, frozen=True):
    """The tasks of an image."""

    tasks: list[TaskRow]


class TaskStub(msgspec.Struct, frozen=True, kw_only=True):
    """A task in a list."""

    id: str
    type: str
    status: str
    owner: str | None
    created_at: Time
    updated_at: Time
    self_: str = msgspec.field(name="self")
    schema: str = "/v2/schemas/task"
    expires_at: Time | UnsetType = UNSET


class TaskBody(TaskStub, frozen=True, kw_only=True):
    """A task; `result` is null and `message` empty at first."""

    input: dict[str, Any]
    result: dict[str, Any] | None
    message: str
    image_id: str | UnsetType = UNSET
    request_id: str | UnsetType = UNSET
    user_id: str | UnsetType = UNSET


class TaskPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of tasks."""

    tasks: list[TaskStub]
    first: str
    schema: str = "/v2/schemas/tasks"
    next: str | UnsetType = UNSET


async def of_image(request: web.Request) -> web.Response:
    """List the tasks about an image: those of the caller's project, for administrators all."""
    tools, caller, policy = request.app[TOOLS], request[CALLER], request.app[POLICY]
    view = await read_view(request, locations=False)
    require(policy, "get_image", caller, view)
    everybodys = policy.is_admin(caller)
    now = tools.clock()
    tasks = await tools.records.image_tasks(view.image.id)
    shown = [task for task in tasks if everybodys or task.owner == caller.project_id]
    return json_response(TaskRows([_row(task) for task in shown if task.expires_at is None or task.expires_at > now]))


async def index(request: web.Request) -> web.Response:
    """List a page of tasks."""
    _require_access(request)
    tools = request.app[TOOLS]
    pairs = read_pairs(request.rel_url.raw_query_string)
    query = read_task_query(pairs, tools.settings, tools.clock())
    tasks = await tools.records.list_tasks(query)
    full = bool(tasks) and len(tasks) == query.limit
    return json_response(
        TaskPage(
            tasks=[TaskStub(**_head(task)) for task in tasks],
            first=first_link(pairs, TASKS),
            next=next_link(pairs, tasks[-1].id, TASKS) if full else UNSET,
        )
    )


async def show(request: web.Request) -> web.Response:
    """Show one task."""
    _require_access(request)
    task = await request.app[TOOLS].records.task(request.match_info["task_id"])
    if task.expires_at is not None and task.expires_at <= request.app[TOOLS].clock():
        raise TaskNotFound(task.id)
    return json_response(_body(task))


async def remove(request: web.Request) -> web.Response:
    """Refuse: a task is forgotten some time after its end, and cannot be deleted."""
    _require_access(request)
    raise web.HTTPMethodNotAllowed("DELETE", ["GET"])


async def create(request: web.Request) -> web.Response:
    """Begin a task of the old kind `import`: a new image from a URL."""
    _require_access(request)
    tools = request.app[TOOLS]
    base = base_url(request)
    body = await read_object(request)
    wanted = await read_old_import(body, tools.settings)
    image, limits = await described_image(request, image_fields(wanted))
    kept = await keep_certificate(tools, image.properties, token_of(request))
    await tools.records.add(image, limits=limits)
    task = new_task(request, "import", image.id, wanted, kept)
    locked = marked(image, importing=[tools.stores.default.id], lock=task.id)
    await tools.records.save(locked, effects=Effects(task=task))
    tools.work.set()
    return json_response(_body(task), status=201, headers={"Location": f"{base}/v2/tasks/{task.id}"})


def _require_access(request: web.Request) -> None:
    require_collection(request.app[POLICY], "tasks_api_access", request[CALLER], {})


def _body(task: Task) -> TaskBody:
    set_fields = {name: getattr(task, name) for name in ("image_id", "request_id", "user_id") if getattr(task, name)}
    return TaskBody(**_head(task), **set_fields, input=task.input, result=task.result, message=task.message)


def _head(task: Task) -> dict[str, Any]:
    head = {name: getattr(task, name) for name in ("id", "type", "status", "owner")}
    head |= {name: whole_second(getattr(task, name)) for name in ("created_at", "updated_at")}
    expires = {"expires_at": whole_second(task.expires_at)} if task.expires_at else {}
    return head | expires | {"self_": f"/v2/tasks/{task.id}"}


def _row(task: Task) -> TaskRow:
    fields = {name: getattr(task, name) for name in TaskRow.__struct_fields__ if hasattr(task, name)}
    times = {name: _naive(getattr(task, name)) for name in ("created_at", "updated_at", "expires_at")}
    return TaskRow(**fields | times)


def _naive(moment: datetime | None) -> str | None:
    """Say a time as Glance's rows have it: with microseconds, without a zone."""
    return None if moment is None else moment.replace(tzinfo=None).isoformat(timespec="microseconds")
