"""Namespaces: create, list, show, replace, delete."""

from datetime import datetime
from typing import cast, get_args

from aiohttp import web
from msgspec import UNSET
from msgspec.structs import replace

from drivers.metadefs.records import (
    Add,
    Change,
    Contents,
    Delete,
    Namespace,
    NamespaceKey,
    NamespaceQuery,
    NamespaceVisibility,
    Save,
)
from service.base_url import base_url
from service.body import read_object
from service.caller import Caller
from service.keys import CALLER, CLOCK, METADEFS, POLICY, SETTINGS
from service.links import Pairs, first_link, next_link, read_pairs
from service.metadefs.access import change, may, read, refuse_protected, require_collection
from service.metadefs.bodies import NewNamespace, read_namespace
from service.metadefs.items import child_items, new_namespace
from service.metadefs.parameters import choice, direction
from service.metadefs.wire import NAMESPACES, NamespacesBody, answer, listed_body, location, namespace_body, whole_body
from service.pages import read_page
from service.policy.engine import Policy
from service.query import read_limit
from service.refusals import BadRequest

SHOW = (
    "get_metadef_namespace",
    "list_metadef_resource_types",
    "get_metadef_objects",
    "get_metadef_properties",
    "get_metadef_tags",
)
CHILD_RULES = (
    ("resource_type_associations", "add_metadef_resource_type_association"),
    ("objects", "add_metadef_object"),
    ("properties", "add_metadef_property"),
    ("tags", "add_metadef_tag"),
)


async def create(request: web.Request) -> web.Response:
    """Create a namespace with all that the body has inside it, or nothing."""
    base = base_url(request)  # before anything is kept: a bad Host is refused
    new = read_namespace(await read_object(request))
    rules = ("add_metadef_namespace", *(rule for name, rule in CHILD_RULES if getattr(new, name)))
    require_collection(request.app[POLICY], rules, request[CALLER])
    now = request.app[CLOCK]()
    contents = Contents(_namespace(new, request[CALLER], now), child_items(new, now))
    await request.app[METADEFS].change(Add(contents))
    children = {name: getattr(new, name) for name, _ in CHILD_RULES}
    response = answer(namespace_body(contents, **children), status=201)
    response.headers["Location"] = location(base, new.namespace)
    return response


async def index(request: web.Request) -> web.Response:
    """List a page of the namespaces the caller may see, each with its associations."""
    policy, caller = request.app[POLICY], request[CALLER]
    require_collection(policy, ("get_metadef_namespaces", "list_metadef_resource_types"), caller)
    pairs = read_pairs(request.rel_url.raw_query_string)
    query = _query(pairs, policy, caller)
    limit = read_limit(dict(pairs).get("limit"), request.app[SETTINGS])
    page = await read_page(
        request.app[METADEFS].list_namespaces,
        query,
        limit,
        lambda contents: may(policy, "get_metadef_namespace", caller, contents.namespace),
        lambda contents: contents.namespace.name,
    )
    last = page[-1].namespace.name if page and len(page) == limit else None
    body = NamespacesBody(
        namespaces=[listed_body(contents) for contents in page],
        first=first_link(pairs, NAMESPACES),
        next=next_link(pairs, last, NAMESPACES) if last else UNSET,
    )
    return answer(body)


async def show(request: web.Request) -> web.Response:
    """Show a namespace with all inside it."""
    contents = await read(request, SHOW, ("resource_type", "object", "tag"), properties=True)
    asked = dict(read_pairs(request.rel_url.raw_query_string))
    choice("visibility", asked.get("visibility"), get_args(NamespaceVisibility))
    return answer(whole_body(contents, asked.get("resource_type")))


async def update(request: web.Request) -> web.Response:
    """Replace a namespace's own fields, its name too; what is inside it stays."""
    new = read_namespace(await read_object(request))
    caller, now = request[CALLER], request.app[CLOCK]()

    def saved(before: Namespace) -> Namespace:
        return replace(
            _namespace(new, caller, now),
            number=before.number,
            revision=before.revision,
            created_at=before.created_at,
        )

    before = await change(request, ("modify_metadef_namespace",), lambda before: Save(saved(before)))
    return answer(namespace_body(Contents(saved(before))))


async def delete(request: web.Request) -> web.Response:
    """Delete a namespace and all inside it, but for resource types."""

    def decide(namespace: Namespace) -> Change:
        refuse_protected(namespace)
        return Delete(namespace)

    await change(request, ("delete_metadef_namespace",), decide)
    return web.Response(status=204)


def _namespace(new: NewNamespace, caller: Caller, now: datetime) -> Namespace:
    if new.owner is UNSET and caller.project_id is None:
        raise BadRequest("Your token has no project that could own the namespace: say 'owner'.")
    return new_namespace(new, caller.project_id or "", now)


def _query(pairs: Pairs, policy: Policy, caller: Caller) -> NamespaceQuery:
    """Read what a caller asks for; of a parameter given twice the last counts (section 4.3)."""
    asked = dict(pairs)
    types = asked.get("resource_types")
    return NamespaceQuery(
        project_id=caller.project_id,
        is_admin=policy.is_admin(caller),
        visibility=cast(
            "NamespaceVisibility | None", choice("visibility", asked.get("visibility"), get_args(NamespaceVisibility))
        ),
        resource_types=None if types is None else tuple(types.split(",")),
        sort_key=cast(
            "NamespaceKey", choice("sort_key", asked.get("sort_key"), get_args(NamespaceKey)) or "created_at"
        ),
        direction=direction(asked.get("sort_dir")),
        marker=asked.get("marker"),
    )
