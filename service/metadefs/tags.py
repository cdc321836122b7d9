"""Tags of a namespace, one by one and all at once."""

from collections.abc import Mapping
from operator import attrgetter

from aiohttp import web

from drivers.metadefs.errors import ItemNotFound
from drivers.metadefs.records import AddItems, Change, Contents, Item, Namespace
from service.body import read_object
from service.filters import read_integer
from service.keys import CLOCK
from service.links import read_pairs
from service.metadefs.access import change, read, read_item, remove_all, remove_item, save_item
from service.metadefs.bodies import NewTag, check_name, read_tag, read_tags
from service.metadefs.items import tag_item
from service.metadefs.parameters import VISIBILITIES, choice, direction
from service.metadefs.wire import Named, TagsBody, answer, tag_body
from service.refusals import BadRequest

APPEND = "X-Openstack-Append"
TRUE = frozenset({"true", "t", "yes", "y", "on", "1"})
SORT_KEYS = ("name", "created_at", "updated_at")


async def add(request: web.Request) -> web.Response:
    """Add the tag that the path names."""
    name = request.match_info["name"]
    item = tag_item(NewTag(name=name), request.app[CLOCK]())

    def decide(namespace: Namespace) -> Change:
        check_name(name, "name")
        return AddItems(namespace, (item,))

    await change(request, ("add_metadef_tag",), decide)
    return answer(tag_body(item), status=201)


async def add_several(request: web.Request) -> web.Response:
    """Replace all tags by these, or with the header add these; an empty list changes nothing (section 8)."""
    tags = read_tags(await read_object(request))
    now = request.app[CLOCK]()
    items = tuple(tag_item(tag, now) for tag in tags)
    append = request.headers.get(APPEND, "").strip().lower() in TRUE

    def decide(namespace: Namespace) -> Change | None:
        return AddItems(namespace, items, instead=None if append else "tag") if items else None

    await change(request, ("add_metadef_tags",), decide)
    return answer(TagsBody([Named(tag.name) for tag in tags]), status=201)


async def index(request: web.Request) -> web.Response:
    """List a page of the tags, the newest first unless asked otherwise."""
    contents = await read(request, ("get_metadef_tags",), ("tag",))
    return answer(TagsBody([Named(item.name) for item in _page(contents, request)]))


async def show(request: web.Request) -> web.Response:
    """Show a tag."""
    contents = await read_item(request, ("get_metadef_tag",), "tag")
    return answer(tag_body(contents.items[0]))


async def update(request: web.Request) -> web.Response:
    """Rename a tag."""
    item = tag_item(read_tag(await read_object(request)), request.app[CLOCK]())
    saved = await save_item(request, "modify_metadef_tag", item)
    return answer(tag_body(saved.items[0]))


async def remove(request: web.Request) -> web.Response:
    """Delete a tag."""
    return await remove_item(request, "delete_metadef_tag", "tag")


async def clear(request: web.Request) -> web.Response:
    """Delete all tags, if there are any."""
    return await remove_all(request, ("delete_metadef_namespace", "delete_metadef_tags"), "tag")


def _page(contents: Contents, request: web.Request) -> list[Item]:
    """Choose what the parameters ask for. Raises BadRequest, and ItemNotFound for an unknown marker."""
    asked = dict(read_pairs(request.rel_url.raw_query_string))
    choice("visibility", asked.get("visibility"), VISIBILITIES)
    key = choice("sort_key", asked.get("sort_key"), SORT_KEYS) or "created_at"
    down = direction(asked.get("sort_dir")) == "desc"
    items = sorted(contents.items, key=attrgetter(key, "created_at", "number"), reverse=down)
    if marker := asked.get("marker"):
        places = [place for place, item in enumerate(items) if item.name == marker]
        if not places:
            raise ItemNotFound("tag", marker, contents.namespace.name)
        items = items[places[0] + 1 :]
    return items[: _limit(asked)]


def _limit(asked: Mapping[str, str]) -> int | None:
    if not asked.get("limit"):
        return None
    limit = read_integer("limit", asked["limit"])
    if limit < 0:
        raise BadRequest("'limit' must not be negative.")
    return limit
