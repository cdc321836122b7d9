"""Properties of a namespace."""

from typing import Any

from aiohttp import web

from drivers.metadefs.errors import ItemNotFound
from drivers.metadefs.records import AddItems
from service.body import read_object
from service.keys import CLOCK
from service.links import read_pairs
from service.metadefs.access import change, read, read_item, remove_all, remove_item, save_item
from service.metadefs.bodies import read_property
from service.metadefs.items import property_item
from service.metadefs.wire import PropertiesBody, answer, named_content, prefix_of


async def add(request: web.Request) -> web.Response:
    """Add a property."""
    new = read_property(await read_object(request))
    item = property_item(new.name, new, request.app[CLOCK]())
    await change(request, ("add_metadef_property",), lambda namespace: AddItems(namespace, (item,)))
    return answer(named_content(item), status=201)


async def index(request: web.Request) -> web.Response:
    """List all properties."""
    contents = await read(request, ("get_metadef_properties",), ("property",))
    bodies: dict[str, Any] = {item.name: named_content(item) for item in contents.items}
    return answer(PropertiesBody(bodies))


async def show(request: web.Request) -> web.Response:
    """Show a property; with `resource_type` the path has the name with the prefix it has there (section 7.3)."""
    resource_type = dict(read_pairs(request.rel_url.raw_query_string)).get("resource_type")
    if resource_type:
        contents = await read_item(request, ("get_metadef_property",), "property", await _bare(request, resource_type))
    else:
        contents = await read_item(request, ("get_metadef_property",), "property")
    return answer(named_content(contents.items[0]))


async def update(request: web.Request) -> web.Response:
    """Replace a property, its name too."""
    new = read_property(await read_object(request))
    saved = await save_item(request, "modify_metadef_property", property_item(new.name, new, request.app[CLOCK]()))
    return answer(named_content(saved.items[0]))


async def remove(request: web.Request) -> web.Response:
    """Delete a property."""
    return await remove_item(request, "remove_metadef_property", "property")


async def clear(request: web.Request) -> web.Response:
    """Delete all properties, if there are any."""
    return await remove_all(request, ("delete_metadef_namespace",), "property")


async def _bare(request: web.Request, resource_type: str) -> str:
    """Take the prefix off the path's name. Raises ItemNotFound where the type, or the prefix, is not there."""
    rules = ("get_metadef_property", "get_metadef_resource_type")
    association = await read_item(request, rules, "resource_type", resource_type)
    prefix, name = prefix_of(association, resource_type), request.match_info["name"]
    if not name.startswith(prefix):
        raise ItemNotFound("property", name, association.namespace.name)
    return name.removeprefix(prefix)
