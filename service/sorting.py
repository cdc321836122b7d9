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
        orders = [_order(*each) for each in zip(keys or (DEFAULT,), _spread(directions, keys), strict=True)]
        return _total(orders, given=directions)
    if keys or directions:
        raise BadRequest("'sort' cannot be combined with 'sort_key' or 'sort_dir': use the one or the others.")
    if len(sorts) > 1:
        raise BadRequest("'sort' is given twice: list the keys in one, separated by commas.")
    orders = [_read_part(part) for part in sorts[0].split(",")]
    return _total(orders, given=[order.direction for order in orders])


def _spread(directions: Sequence[str], keys: Sequence[str]) -> Sequence[str]:
    count = len(keys) or 1
    if len(directions) <= 1:
        return [*directions, "desc"][:1] * count
    if len(directions) != count:
        raise BadRequest(f"There are {len(directions)} 'sort_dir' for {count} 'sort_key': give one, or one for each.")
    return directions


def _read_part(part: str) -> Order:
    key, _, direction = part.partition(":")
    return _order(key, direction if direction.strip() else "desc")


def _order(key: str, direction: str) -> Order:
    key, direction = key.strip(), direction.strip()
    if key not in KEYS:
        raise BadRequest(f"Cannot sort by '{key}', only by: {', '.join(KEYS)}.")
    if direction not in DIRECTIONS:
        raise BadRequest(f"'{direction}' is no direction to sort in: use 'asc' or 'desc'.")
    return Order(KEYS[key], DIRECTIONS[direction])


def _total(orders: Sequence[Order], given: Sequence[str]) -> tuple[Order, ...]:
    """Append the tie-breakers, in the given direction if it is one, else downwards. A key counts where it is first."""
    tie = DIRECTIONS[given[0].strip()] if len(given) == 1 else "desc"
    first: dict[SortKey, Order] = {}
    for order in (*orders, *(Order(key, tie) for key in TIE_BREAKERS)):
        first.setdefault(order.key, order)
    return tuple(first.values())
