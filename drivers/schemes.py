"""Drivers by the scheme of a URL: those that come along, and those that other packages add."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from drivers.errors import UnknownScheme

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Open = TypeVar("Open")


def find_opener(url: str, known: Mapping[str, Open], group: str) -> Open:
    """Find what opens a URL, by its scheme. Raise UnknownScheme, listing the known ones.

    An installed package adds a scheme with an entry point of the group that loads an opener.
    """
    # Not by a parser, which refuses some malformed URLs on its own: those are for the driver to explain.
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    opener = known.get(scheme) or _load(scheme, group)
    if opener is None:
        names = sorted({*known, *_added(group)})
        raise UnknownScheme(f"No driver for '{scheme}://': write `scheme://...` with one of {', '.join(names)}.")
    return opener


def _load(scheme: str, group: str) -> Open | None:
    point = _added(group).get(scheme)
    opener: Open | None = point.load() if point else None
    return opener


def _added(group: str) -> Mapping[str, "EntryPoint"]:
    # As large as a driver, and needed only for schemes that do not come along.
    from importlib.metadata import entry_points  # noqa: PLC0415

    return {point.name: point for point in entry_points(group=group)}
