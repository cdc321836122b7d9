"""Strong validators from revisions, and the conditions that name them (RFC 9110 sections 8.8.3 and 13.1)."""

import re
import zlib

from drivers.records import Image
from service.refusals import PreconditionFailed
from service.wire import NOTHING, Shown

TAG = re.compile(r'(W/)?("[^"]*+")')
LIST = re.compile(rf"\s*+(?:{TAG.pattern})?\s*+(?:,\s*+(?:{TAG.pattern})?\s*+)*+")


def etag(image: Image, shown: Shown = NOTHING) -> str:
    """Name one representation of one revision: callers who may see other fields get another tag."""
    if shown == NOTHING:
        return f'"{image.revision}"'
    return f'"{image.revision}-{zlib.crc32(repr(shown).encode()):x}"'


def is_cached(if_none_match: str, tag: str) -> bool:
    """Tell whether an `If-None-Match` names the tag: in its list, weak or strong, or as `*`."""
    return if_none_match.strip() == "*" or tag in _tags(if_none_match, weak=True)


def check_if_match(if_match: str | None, tag: str) -> None:
    """Raise PreconditionFailed unless an `If-Match`, where there is one, names the tag, strong, or is `*`."""
    if if_match is not None and if_match.strip() != "*" and tag not in _tags(if_match, weak=False):
        raise PreconditionFailed


def _tags(condition: str, *, weak: bool) -> list[str]:
    """Read a list of tags; what is none names nothing, so that it never lets a change pass."""
    if not LIST.fullmatch(condition):
        return []
    return [tag for weakness, tag in TAG.findall(condition) if weak or not weakness]
