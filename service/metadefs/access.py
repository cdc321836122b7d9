"""The gates in front of every namespace, and reading or changing one behind them (sections 3.2 to 3.4)."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from msgspec.structs import replace

from drivers.metadefs.errors import ItemNotFound, NamespaceChanged, NamespaceNotFound
from drivers.metadefs.records import AddItems, Ask, Change, Contents, Item, Kind, Namespace, RemoveItem, SaveItem
from service.caller import Caller
from service.keys import CALLER, METADEFS, POLICY
from service.policy.engine import Policy
from service.policy.gates import PolicyForbids
from service.refusals import Forbidden, NotFound

KNOW = "get_metadef_namespace"


def visible(namespace: Namespace, caller: Caller, policy: Policy) -> bool:
    """Tell whether the caller may know that the namespace exists, whatever the rules."""
    return namespace.visibility == "public" or namespace.owner == caller.project_id or policy.is_admin(caller)


def may(policy: Policy, rule: str, caller: Caller, namespace: Namespace) -> bool:
    """Tell whether a rule lets the caller through to a namespace that is visible to them."""
    return policy.allows(rule, caller, _target(namespace))


def require(policy: Policy, rules: tuple[str, ...], caller: Caller, namespace: Namespace) -> None:
    """Let the caller pass both gates to do what the rules guard, asked in their order, or raise.

    Raises NamespaceNotFound when the namespace is invisible or the caller fails `get_metadef_namespace` too,
    PolicyForbids when only another rule refuses.
    """
    if not visible(namespace, caller, policy):
        raise NamespaceNotFound(namespace.name)
    for rule in rules:
        if not may(policy, rule, caller, namespace):
            if not may(policy, KNOW, caller, namespace):
                raise NamespaceNotFound(namespace.name)
            raise PolicyForbids(rule)


def require_collection(policy: Policy, rules: tuple[str, ...], caller: Caller) -> None:
    """Let the caller do what the rules guard where there is no namespace yet, or raise NotFound or PolicyForbids."""
    target = {"project_id": caller.project_id}
    for rule in rules:
        if not policy.allows(rule, caller, target):
            if not policy.allows(KNOW, caller, target):
                raise NotFound("There are no metadata definitions that you may know of.")
            raise PolicyForbids(rule)


async def read(
    request: web.Request, rules: tuple[str, ...], kinds: tuple[Kind, ...] = (), *, properties: bool = False
) -> Contents:
    """Read the namespace that the path names, behind the gates, with its items of some kinds."""
    return await _read(request, rules, Ask(request.match_info["namespace"], kinds, properties=properties))


async def read_item(request: web.Request, rules: tuple[str, ...], kind: Kind, name: str | None = None) -> Contents:
    """Read the namespace with the one item that the path names, or the argument, which raises ItemNotFound."""
    name = request.match_info["name"] if name is None else name
    contents = await _read(request, rules, Ask(request.match_info["namespace"], (kind,), name))
    if not contents.items:
        raise ItemNotFound(kind, name, contents.namespace.name)
    return contents


async def _read(request: web.Request, rules: tuple[str, ...], ask: Ask) -> Contents:
    contents = await request.app[METADEFS].read(ask)
    require(request.app[POLICY], rules, request[CALLER], contents.namespace)
    return contents


async def change(
    request: web.Request, rules: tuple[str, ...], decide: Callable[[Namespace], Change | None]
) -> Namespace:
    """Read the namespace, let `decide` say what happens, and do that, unless it has changed meanwhile: then again.

    `decide` raises what refuses the change, and returns None where nothing changes. Gives the namespace as decided on.
    """
    return (await _change(request, lambda: read(request, rules), lambda contents: decide(contents.namespace))).namespace


async def change_item(
    request: web.Request, rules: tuple[str, ...], kind: Kind, decide: Callable[[Namespace, Item], Change]
) -> Contents:
    """Change, as `change` does, the item that the path names. Raises ItemNotFound."""
    return await _change(
        request,
        lambda: read_item(request, rules, kind),
        lambda contents: decide(contents.namespace, contents.items[0]),
    )


async def _change(
    request: web.Request, look: Callable[[], Awaitable[Contents]], decide: Callable[[Contents], Change | None]
) -> Contents:
    while True:
        contents = await look()
        wanted = decide(contents)
        if wanted is None:
            return contents
        try:
            await request.app[METADEFS].change(wanted)
        except NamespaceChanged:
            continue  # perhaps it is another's now, or protected: look again
        return contents


async def remove_item(request: web.Request, rule: str, kind: Kind) -> web.Response:
    """Remove the item that the path names, unless the namespace is protected."""

    def decide(namespace: Namespace, item: Item) -> Change:
        refuse_protected(namespace)
        return RemoveItem(namespace, kind, item.name)

    await change_item(request, (rule,), kind, decide)
    return web.Response(status=204)


async def remove_all(request: web.Request, rules: tuple[str, ...], kind: Kind) -> web.Response:
    """Remove all items of a kind, if there are any, unless the namespace is protected."""

    def decide(namespace: Namespace) -> Change:
        refuse_protected(namespace)
        return AddItems(namespace, (), instead=kind)

    await change(request, rules, decide)
    return web.Response(status=204)


async def save_item(request: web.Request, rule: str, item: Item) -> Contents:
    """Put an item in the place of the one that the path names; give it as it is now, with its namespace."""
    contents = await change_item(
        request, (rule,), item.kind, lambda namespace, before: SaveItem(namespace, before.name, item)
    )
    return Contents(contents.namespace, (replace(item, created_at=contents.items[0].created_at),))


def refuse_protected(namespace: Namespace) -> None:
    """Raise Forbidden for a deletion in a protected namespace, whoever asks."""
    if namespace.protected:
        raise Forbidden(f"The namespace '{namespace.name}' is protected: nothing in it can be deleted.")


def _target(namespace: Namespace) -> Mapping[str, str]:
    return {"project_id": namespace.owner, "visibility": namespace.visibility}
