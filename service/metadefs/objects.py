"""Objects of a namespace."""

from typing import Any

from aiohttp import web

from drivers.metadefs.records import AddItems
from service.body import read_object as read_body
from service.filters import read_integer
from service.keys import CALLER, CLOCK, POLICY
from service.links import read_pairs
from service.metadefs.access import change, may, read, read_item, remove_all, remove_item, save_item
from service.metadefs.bodies import read_object
from service.metadefs.items import object_item
from service.metadefs.parameters import VISIBILITIES, choice, direction
from service.metadefs.wire import ObjectsBody, answer, new_object_body, object_body
from service.refusals import BadRequest


async def add(request: web.Request) -> web.Response:
    """Add an object; the answer has what was sent."""
    new = read_object(await read_body(request))
    item = object_item(new, request.app[CLOCK]())
    namespace = await change(request, ("add_metadef_object",), lambda namespace: AddItems(namespace, (item,)))
    return answer(new_object_body(new, item, namespace.name), status=201)


async def index(request: web.Request) -> web.Response:
    """List all objects; parameters are checked, and do nothing, as Glance has it."""
    contents = await read(request, ("get_metadef_objects",), ("object",))
    _check_parameters(dict(read_pairs(request.rel_url.raw_query_string)))
    namespace = contents.namespace
    shown = may(request.app[POLICY], "get_metadef_object", request[CALLER], namespace)
    bodies: list[Any] = [object_body(item, namespace.name) for item in contents.items if shown]
    return answer(ObjectsBody(bodies))


async def show(request: web.Request) -> web.Response:
    """Show an object."""
    contents = await read_item(request, ("get_metadef_object",), "object")
    return answer(object_body(contents.items[0], contents.namespace.name))


async def update(request: web.Request) -> web.Response:
    """Replace an object, its name too."""
    item = object_item(read_object(await read_body(request)), request.app[CLOCK]())
    saved = await save_item(request, "modify_metadef_object", item)
    return answer(object_body(saved.items[0], saved.namespace.name))


async def remove(request: web.Request) -> web.Response:
    """Delete an object."""
    return await remove_item(request, "delete_metadef_object", "object")


async def clear(request: web.Request) -> web.Response:
    """Delete all objects, if there are any."""
    return await remove_all(request, ("delete_metadef_namespace",), "object")


def _check_parameters(asked: dict[str, str]) -> None:
    if "limit" in asked and read_integer("limit", asked["limit"]) < 1:
        raise BadRequest("'limit' must be positive.")
    direction(asked.get("sort_dir"))
    choice("visibility", asked.get("visibility"), VISIBILITIES)
