"""Which images a query lists, and in what order: the contract of `list_images` in plain Python."""

from collections.abc import Callable, Iterable, Mapping
from operator import eq, ge, gt, le, lt, ne
from types import MappingProxyType
from typing import Any

from drivers.errors import UnknownMarker
from drivers.query import Filter, ImageQuery, Order
from drivers.records import Image, View

OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {"eq": eq, "neq": ne, "gt": gt, "gte": ge, "lt": lt, "lte": le, "in": lambda value, items: value in items}
)
NULL_AS: Mapping[str, object] = MappingProxyType({"name": "", "container_format": "", "disk_format": "", "size": 0})
TIMES = frozenset({"created_at", "updated_at"})


def select_page(views: Iterable[View], query: ImageQuery) -> list[View]:
    """Choose a page among all images as the viewer meets them. Raise UnknownMarker."""
    views = list(views)
    marker = _marker(views, query)
    rows = [view for view in views if view is marker or (_listed(view, query) and _matches(view.image, query))]
    for order in reversed(query.sort):
        rows.sort(key=_key(order), reverse=order.direction == "desc")
    start = rows.index(marker) + 1 if marker else 0
    return rows[start : start + query.limit]


def _marker(views: list[View], query: ImageQuery) -> View | None:
    if query.marker is None:
        return None
    for view in views:
        if view.image.id == query.marker and _visible(view, query):
            return view
    raise UnknownMarker(query.marker)


def _visible(view: View, query: ImageQuery) -> bool:
    """Tell whether the viewer may know that the image exists, listed or not (reference section 0.3)."""
    image = view.image
    return (
        query.is_admin
        or image.visibility in {"public", "community"}
        or image.owner is None
        or image.owner == query.project_id
        or (image.visibility == "shared" and view.member_status is not None)
    )


def _listed(view: View, query: ImageQuery) -> bool:
    """Tell whether the image is among those the viewer gets to see by asking for this visibility."""
    image = view.image
    own = image.owner is not None and image.owner == query.project_id
    if query.visibility is None:
        if image.visibility == "community":
            return own
    elif query.visibility not in {"all", image.visibility}:
        return False
    if own or query.is_admin or image.visibility in {"public", "community"}:
        return True
    return image.visibility == "shared" and _answered(view, query)


def _answered(view: View, query: ImageQuery) -> bool:
    return view.member_status is not None and query.member_status in {"all", view.member_status}


def _matches(image: Image, query: ImageQuery) -> bool:
    return (
        image.os_hidden == query.os_hidden
        and all(_fulfils(image, condition) for condition in query.filters)
        and all(image.properties.get(name) == value for name, value in query.properties)
        and set(query.tags) <= set(image.tags)
    )


def _fulfils(image: Image, condition: Filter) -> bool:
    value = getattr(image, condition.field)
    if condition.field in TIMES:
        value = value.replace(microsecond=0)
    return value is not None and OPERATORS[condition.operator](value, condition.value)


def _key(order: Order) -> Callable[[View], Any]:
    def key(view: View) -> Any:
        value = getattr(view.image, order.key)
        return NULL_AS[order.key] if value is None else value

    return key
