"""Drivers by the scheme of a URL: those that come along, and those that other packages add."""

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import TypeVar

from drivers.errors import UnknownScheme

Open = TypeVar("Open")


def find_opener(url: str, known: Mapping[str, Open], group: str) -> Open:
    """Find what opens a URL, by its scheme. Raise UnknownScheme, listing the known ones.

    An installed package adds a scheme with an entry point of the group that loads an opener.
    """
    # Not by a parser, which refuses some malformed URLs on its own: those are for the driver to explain.
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    opener = known.get(scheme) or _added(scheme, group)
    if opener is None:
        names = sorted({*known, *(point.name for point in entry_points(group=group))})
        raise UnknownScheme(f"No driver for '{scheme}://': write `scheme://...` with one of {', '.join(names)}.")
    return opener


def _added(scheme: str, group: str) -> Open | None:
    opener: Open | None = next((point.load() for point in entry_points(group=group, name=scheme)), None)
    return opener
