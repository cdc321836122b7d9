"""Resource types, and a namespace's associations with them."""

from typing import Any

from aiohttp import web

from drivers.metadefs.records import AddItems
from service.body import read_object
from service.keys import CALLER, CLOCK, METADEFS, POLICY
from service.metadefs.access import change, may, read, remove_item, require_collection
from service.metadefs.bodies import read_association
from service.metadefs.items import association_item
from service.metadefs.wire import AssociationsBody, ResourceTypesBody, answer, association_body, resource_type_body


async def types(request: web.Request) -> web.Response:
    """List all resource types, for every reader."""
    require_collection(request.app[POLICY], ("list_metadef_resource_types",), request[CALLER])
    known = await request.app[METADEFS].resource_types()
    return answer(ResourceTypesBody([resource_type_body(each) for each in known]))


async def index(request: web.Request) -> web.Response:
    """List the namespace's associations."""
    contents = await read(request, ("list_metadef_resource_types",), ("resource_type",))
    shown = may(request.app[POLICY], "get_metadef_resource_type", request[CALLER], contents.namespace)
    bodies: list[Any] = [association_body(item) for item in contents.items if shown]
    return answer(AssociationsBody(bodies))


async def add(request: web.Request) -> web.Response:
    """Associate the namespace with a resource type, which comes into being if it is new."""
    item = association_item(read_association(await read_object(request)), request.app[CLOCK]())
    rule = "add_metadef_resource_type_association"
    await change(request, (rule,), lambda namespace: AddItems(namespace, (item,)))
    return answer(association_body(item), status=201)


async def remove(request: web.Request) -> web.Response:
    """End an association; the resource type stays."""
    return await remove_item(request, "remove_metadef_resource_type_association", "resource_type")
