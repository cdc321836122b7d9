"""What a query demands of an image, as conditions on `images` whose values are all placeholders."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from drivers.postgres.rows import STORABLE
from drivers.query import Filter, ImageQuery

COMPARE = {"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
SECOND = timedelta(seconds=1)


class Values:
    """The values of a statement as it grows; every placeholder given is to be used, or PostgreSQL will complain."""

    def __init__(self) -> None:
        self.all: list[Any] = []

    def add(self, value: Any, kind: str = "text") -> str:
        """Keep a value; give its placeholder."""
        self.all.append(value)
        return f"${len(self.all)}::{kind}"


def write_conditions(query: ImageQuery, values: Values) -> Iterator[str]:
    """Write what filters, properties, tags and `os_hidden` demand, one condition each."""
    yield f"images.os_hidden = {values.add(query.os_hidden, 'boolean')}"
    for condition in query.filters:
        yield _filter(condition, values)
    for name, value in query.properties:
        held = f"images.properties ->> {values.add(name)} = {values.add(value)}" if storable(name, value) else "false"
        yield held
    if query.tags:
        yield f"images.tags @> {values.add(query.tags, 'text[]')}" if storable(*query.tags) else "false"


def storable(*texts: str) -> bool:
    """Tell whether columns can hold these; of what they cannot, PostgreSQL would refuse even to look for it."""
    return all(STORABLE.fullmatch(text) for text in texts)


def _filter(condition: Filter, values: Values) -> str:
    column, operator, value = f"images.{condition.field}", condition.operator, condition.value
    if isinstance(value, tuple):
        return f"{column} = any ({values.add([item for item in value if storable(item)], 'text[]')})"
    if isinstance(value, datetime):
        return _time(column, operator, value, values)
    if isinstance(value, bool):
        return f"{column} = {values.add(value, 'boolean')}"
    if isinstance(value, int):
        # A number may be any; the columns hold 64 bits.
        return f"{column} {COMPARE[operator]} {values.add(value, 'numeric')}"
    return f"{column} {COMPARE[operator]} {values.add(value)}" if storable(value) else "false"


def _time(column: str, operator: str, value: datetime, values: Values) -> str:
    """Compare what is shown, whole seconds, by ranges of what is kept, so that an index on the column can be used."""
    second = value.replace(microsecond=0)
    low, high = second if second == value else _next(second), _next(second)
    ranges = {"gt": (">=", high), "gte": (">=", low), "lt": ("<", low), "lte": ("<", high)}
    needed = {"eq": ("gte", "lte"), "neq": ("lt", "gt")}.get(operator, (operator,))
    parts = (f"{column} {ranges[each][0]} {values.add(ranges[each][1], 'timestamptz')}" for each in needed)
    return f"({(' or ' if operator == 'neq' else ' and ').join(parts)})"


def _next(second: datetime) -> datetime:
    try:
        return second + SECOND
    except OverflowError:  # the last second of the calendar
        return datetime.max.replace(tzinfo=second.tzinfo)
