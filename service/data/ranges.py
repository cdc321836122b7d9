"""Which part of an image's data a request asks for (reference section 2.2, RFC 9110 section 14)."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from service.refusals import BadRequest, NotSatisfiable

# Possessive, as blanks around a number that is not there could be shared out in many ways.
RANGE = re.compile(r"\s*+bytes\s*+=\s*+(?P<first>\d*+)\s*+-\s*+(?P<last>\d*+)\s*+", re.IGNORECASE | re.ASCII)
CONTENT_RANGE = re.compile(
    r"\s*+bytes\s++(?P<first>\d++)\s*+-\s*+(?P<last>\d++)\s*+/\s*+(?P<total>\d++|\*)\s*+",
    re.IGNORECASE | re.ASCII,
)


class Span(NamedTuple):
    """The bytes from `start` up to, and without, `end`."""

    start: int
    end: int


def wanted_span(headers: Mapping[str, str], size: int, tag: str | None) -> Span | None:
    """Give the part that `Range` asks for, or, as Glance has it, a request's `Content-Range`; None for all of it.

    A `Range` that comes with an `If-Range` counts only while that is the tag. Raises BadRequest for several ranges,
    NotSatisfiable for one that is malformed or begins behind the end.
    """
    text = headers.get("Range")
    if text is not None:
        condition = headers.get("If-Range")
        return _span(text, size) if condition is None or condition.strip() == tag else None
    legacy = headers.get("Content-Range")
    return None if legacy is None else _legacy(legacy, size)


def _span(text: str, size: int) -> Span:
    if "," in text:
        raise BadRequest("Only one range can be asked for at a time.")
    match = RANGE.fullmatch(text)
    if match is None or not (match["first"] or match["last"]):
        raise _refused(size)
    if not match["first"]:
        # Of the last none, Glance gives all.
        length = _number(match["last"])
        return _checked(max(size - length, 0) if length else 0, size - 1, size)
    return _checked(_number(match["first"]), _number(match["last"]) if match["last"] else size, size)


def _legacy(text: str, size: int) -> Span:
    match = CONTENT_RANGE.fullmatch(text)
    if match is None or (match["total"] == "*" and _number(match["last"]) >= size):
        raise _refused(size)
    return _checked(_number(match["first"]), _number(match["last"]), size)


def _number(digits: str) -> int:
    """Read a number; one of more than 20 digits, which `int` may refuse, is beyond all sizes as well with fewer."""
    return int(digits.lstrip("0")[:20] or "0")


def _checked(first: int, last: int, size: int) -> Span:
    if first > last or first >= size:
        raise _refused(size)
    return Span(first, min(last, size - 1) + 1)


def _refused(size: int) -> NotSatisfiable:
    return NotSatisfiable(f"The range cannot be served: write `bytes=first-last`, both below {size}.")
