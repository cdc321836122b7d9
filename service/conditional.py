"""Strong validators from revisions, and the conditions that name them (RFC 9110 sections 8.8.3 and 13.1)."""

import re
import zlib

from aiohttp import hdrs
from multidict import CIMultiDictProxy

from drivers.records import Image
from service.refusals import PreconditionFailed
from service.wire import NOTHING, Shown

Headers = CIMultiDictProxy[str]

TAG = re.compile(r'(W/)?("[^"]*+")')
LIST = re.compile(rf"\s*+(?:{TAG.pattern})?\s*+(?:,\s*+(?:{TAG.pattern})?\s*+)*+")


def etag(image: Image, shown: Shown = NOTHING) -> str:
    """Name one representation of one revision: callers who may see other fields get another tag."""
    if shown == NOTHING:
        return f'"{image.revision}"'
    return f'"{image.revision}-{zlib.crc32(repr(shown).encode()):x}"'


def is_cached(headers: Headers, tag: str) -> bool:
    """Tell whether an `If-None-Match` names the tag: in its list, weak or strong, or as `*`."""
    condition = _condition(headers, hdrs.IF_NONE_MATCH)
    return condition == "*" or tag in _tags(condition, weak=True)


def check_if_match(headers: Headers, tag: str) -> None:
    """Raise PreconditionFailed unless an `If-Match`, where there is one, names the tag, strong, or is `*`."""
    condition = _condition(headers, hdrs.IF_MATCH)
    if hdrs.IF_MATCH in headers and condition != "*" and tag not in _tags(condition, weak=False):
        raise PreconditionFailed


def _condition(headers: Headers, name: str) -> str:
    """Give a header as one list, whatever number of lines it came in (RFC 9110 section 5.3)."""
    return ", ".join(headers.getall(name, ())).strip()


def _tags(condition: str, *, weak: bool) -> list[str]:
    """Read a list of tags; what is none names nothing, so that it never lets a change pass."""
    if not LIST.fullmatch(condition):
        return []
    return [tag for weakness, tag in TAG.findall(condition) if weak or not weakness]
