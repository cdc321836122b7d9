"""The order of a list, from `sort`, or from `sort_key` and `sort_dir` (reference section 6.3)."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import get_args

from drivers.query import Direction, Order, SortKey
from service.refusals import BadRequest

KEYS: Mapping[str, SortKey] = MappingProxyType({name: name for name in get_args(SortKey)})
DIRECTIONS: Mapping[str, Direction] = MappingProxyType({"asc": "asc", "desc": "desc"})
DEFAULT = "created_at"
# Appended where they are missing, so that the order is total.
TIE_BREAKERS: tuple[SortKey, ...] = ("created_at", "id")


def read_order(sorts: Sequence[str], keys: Sequence[str], directions: Sequence[str]) -> tuple[Order, ...]:
    """Read the values of `sort`, `sort_key` and `sort_dir`, each in the order they came. Raises BadRequest."""
    if not sorts:
        keys = keys or (DEFAULT,)
        return _total([_order(key, direction) for key, direction in zip(keys, _spread(directions, keys), strict=True)])
    if keys or directions:
        raise BadRequest("'sort' cannot be combined with 'sort_key' or 'sort_dir': use the one or the others.")
    if len(sorts) > 1:
        raise BadRequest("'sort' is given twice: list the keys in one, separated by commas.")
    return _total([_read_part(part) for part in sorts[0].split(",")])


def _spread(directions: Sequence[str], keys: Sequence[str]) -> Sequence[str]:
    if len(directions) <= 1:
        return [*directions, "desc"][:1] * len(keys)
    if len(directions) != len(keys):
        raise BadRequest(f"There are {len(directions)} 'sort_dir' for {len(keys)} 'sort_key': give one, or one each.")
    return directions


def _read_part(part: str) -> Order:
    key, _, direction = part.partition(":")
    return _order(key, direction.strip() or "desc")


def _order(key: str, direction: str) -> Order:
    key = key.strip()
    if key not in KEYS:
        raise BadRequest(f"Cannot sort by '{key}', only by: {', '.join(KEYS)}.")
    if direction not in DIRECTIONS:
        raise BadRequest(f"'{direction}' is no direction to sort in: use 'asc' or 'desc'.")
    return Order(KEYS[key], DIRECTIONS[direction])


def _total(orders: list[Order]) -> tuple[Order, ...]:
    """Append the tie-breakers, in the direction of the only key, else downwards."""
    direction = orders[0].direction if len(orders) == 1 else "desc"
    named = {order.key for order in orders}
    return (*orders, *(Order(key, direction) for key in TIE_BREAKERS if key not in named))
