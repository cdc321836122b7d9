"""The parameters that lists of metadata definitions have in common."""

from collections.abc import Sequence
from typing import cast

from drivers.query import Direction
from service.refusals import BadRequest
from service.sorting import DIRECTIONS

# What a namespace's visibility could be if it were an image's; lists inside a namespace check it, and do nothing.
VISIBILITIES = ("public", "private", "shared")


def choice(name: str, value: str | None, known: Sequence[str]) -> str | None:
    """Give a value that is one of those known, or None where none was sent. Raises BadRequest."""
    if value is not None and value not in known:
        raise BadRequest(f"'{name}' is none of: {', '.join(known)}.")
    return value


def direction(value: str | None) -> Direction:
    """Read `sort_dir`; downwards where nothing is said. Raises BadRequest."""
    return cast("Direction", choice("sort_dir", value, tuple(DIRECTIONS)) or "desc")
