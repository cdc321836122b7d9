"""One parameter of a list as a condition on one field (reference section 6.4)."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import get_args

from drivers.query import Filter, NumberField, Operator, TextField, TimeField
from service.refusals import BadRequest

TEXTS: Mapping[str, TextField] = MappingProxyType({name: name for name in get_args(TextField)})
NUMBERS: Mapping[str, NumberField] = MappingProxyType({name: name for name in get_args(NumberField)})
TIMES: Mapping[str, TimeField] = MappingProxyType({name: name for name in get_args(TimeField)})
# Only these understand `eq:` and `in:`; the value of any other text is taken as it is.
WITH_OPERATOR = frozenset({"id", "name", "status", "container_format", "disk_format"})
COMPARISONS: Mapping[str, Operator] = MappingProxyType(
    {"eq": "eq", "neq": "neq", "gt": "gt", "gte": "gte", "lt": "lt", "lte": "lte"}
)
ENDS: Mapping[str, Operator] = MappingProxyType({"_min": "gte", "_max": "lte"})
NEVER = Filter("id", "in", ())

INTEGER = re.compile(r"\s*[+-]?[0-9]{1,1000}\s*")
QUOTED = re.compile(r'"((?:\\"|[^"])*+)"')
PLAIN = re.compile(r'((?:\\"|[^",])*)')
TIME = re.compile(
    r"""(?P<year>[0-9]{4})
        (?:(?P<dash>-?)(?P<month>[0-9]{1,2}) (?:(?P=dash)(?P<day>[0-9]{1,2}))?)?
        (?:[T ](?P<hour>[0-9]{2})
            (?::?(?P<minute>[0-9]{2}) (?::?(?P<second>[0-9]{2}) (?:[.,](?P<fraction>[0-9]+))?)?)?)?
        (?:Z | (?P<sign>[+-])(?P<ahead>[0-9]{2}) (?::?(?P<minutes>[0-9]{2}))?)?""",
    re.VERBOSE,
)


def read_filter(name: str, value: str) -> Filter | None:
    """Read a condition on a text, a number or a time of the record; None when the name is none of their fields.

    Raises BadRequest.
    """
    if text := TEXTS.get(name):
        return _text(text, value)
    if time := TIMES.get(name):
        return _time(time, value)
    if number := NUMBERS.get(name):
        # Text where a number belongs is no mistake, but no image has it.
        return Filter(number, "eq", int(value)) if INTEGER.fullmatch(value) else NEVER
    number, end = NUMBERS.get(name[:-4]), ENDS.get(name[-4:])
    return Filter(number, end, read_integer(name, value)) if number and end else None


def read_integer(name: str, value: str) -> int:
    """Read a whole number. Raises BadRequest."""
    if not INTEGER.fullmatch(value):
        raise BadRequest(f"'{name}' must be an integer.")
    return int(value)


def _text(field: TextField, value: str) -> Filter:
    operator, colon, operand = value.partition(":")
    # A time has colons of its own, and Glance takes one that is a name for what it is.
    if field not in WITH_OPERATOR or not colon or parse_time(value):
        return Filter(field, "eq", value)
    if operator == "in":
        return Filter(field, "in", split_items(field, operand))
    if operator == "eq":
        return Filter(field, "eq", operand)
    raise BadRequest(f"'{field}' knows no operator '{operator}', only 'eq' and 'in': write '{field}=eq:{value}'.")


def split_items(name: str, text: str) -> tuple[str, ...]:
    r"""Split what follows `in:` at its commas, but for those in double quotes; `\"` is a quote. Raises BadRequest."""
    items: list[str] = []
    position = 0
    while position < len(text):
        item = (QUOTED if text[position] == '"' else PLAIN).match(text, position)
        if item is None:
            raise BadRequest(f"'{name}' has a quote that is not closed.")
        if text[item.end() : item.end() + 1] not in {"", ","}:
            raise BadRequest(f"'{name}' has a quote in the middle of an item: quote all of it, and write \\\" inside.")
        items.append(item[1].replace('\\"', '"'))
        position = item.end() + 1
    return tuple(items)


def _time(field: TimeField, value: str) -> Filter:
    operator, _, operand = value.partition(":")
    if moment := parse_time(value):
        return Filter(field, "eq", moment)
    moment, comparison = parse_time(operand), COMPARISONS.get(operator)
    if moment is None or comparison is None:
        raise BadRequest(
            f"'{field}' must be an ISO 8601 time such as 2026-01-28T12:58:17Z, alone or after "
            "one of 'eq:', 'neq:', 'gt:', 'gte:', 'lt:', 'lte:'; percent-encode a '+' in it as %2B."
        )
    return Filter(field, comparison, moment)


def parse_time(text: str) -> datetime | None:
    """Read an ISO 8601 time, in UTC unless it tells its zone; None for what is none, or is beyond the calendar."""
    match = TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day = (int(match[part] or 1) for part in ("year", "month", "day"))
    hour, minute, second = (int(match[part] or 0) for part in ("hour", "minute", "second"))
    fraction = int((match["fraction"] or "0")[:6].ljust(6, "0"))
    offset = timedelta(hours=int(match["ahead"] or 0), minutes=int(match["minutes"] or 0))
    try:
        zone = timezone(-offset if match["sign"] == "-" else offset)
        return datetime(year, month, day, hour, minute, second, fraction, zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
