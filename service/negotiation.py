"""Which of several media types an `Accept` header prefers (RFC 9110 section 12.5.1)."""

import re
from collections.abc import Sequence
from typing import NamedTuple

RANGE = re.compile(
    r"""\s* (?P<type>[\w!#$%&'*+.^`|~-]+/[\w!#$%&'*+.^`|~-]+)
        (?P<parameters>(?:\s*+;\s*+[\w-]++\s*+=\s*+(?:"[^"]*+"|[^;,"\s]++))*+) \s*+""",
    re.VERBOSE,
)
QUALITY = re.compile(r";\s*q\s*=\s*(?P<q>[01](?:\.\d{0,3})?)\s*(?:;|$)", re.IGNORECASE)


class MediaRange(NamedTuple):
    """One part of the header: a type, `x/*` or `*/*`, and how much it is wanted, from 0 to 1."""

    type: str
    quality: float


def preferred(accept: str | None, offers: Sequence[str]) -> str | None:
    """Choose the offer that is wanted most, the earlier one among equals; None when none is wanted.

    An absent or empty header wants none, and one that cannot be read wants the first: so errors to clients that did
    not ask are plain text, as the reference has it (section 8.1).
    """
    if not accept or not accept.strip():
        return None
    ranges = _parse(accept)
    if ranges is None:
        return offers[0]
    qualities = [_quality(offer, ranges) for offer in offers]
    best = max(qualities)
    return offers[qualities.index(best)] if best > 0 else None


def _parse(accept: str) -> list[MediaRange] | None:
    ranges = []
    for part in filter(str.strip, accept.split(",")):
        match = RANGE.fullmatch(part)
        if match is None:
            return None
        quality = QUALITY.search(match["parameters"])
        ranges.append(MediaRange(match["type"].lower(), float(quality["q"]) if quality else 1.0))
    return ranges


def _quality(offer: str, ranges: Sequence[MediaRange]) -> float:
    """Give what the most specific range that matches says."""
    for pattern in (offer, f"{offer.partition('/')[0]}/*", "*/*"):
        matching = [media.quality for media in ranges if media.type == pattern]
        if matching:
            return max(matching)
    return 0.0
