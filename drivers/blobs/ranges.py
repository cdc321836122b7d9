"""Parts of what is at a URL, and how to know that they are parts of the same (RFC 9110 sections 13 and 14)."""

import re
from collections.abc import Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import NamedTuple

CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)")


class Part(NamedTuple):
    """What a `Content-Range` says: first byte, last byte, and the length of the whole, where that is known."""

    first: int
    last: int
    total: int | None


class Version(NamedTuple):
    """By what the content of a URL can be told from what was or will be there: by one of the two, or not at all."""

    etag: str | None
    modified: str | None

    @property
    def condition(self) -> Mapping[str, str]:
        """The header that asks for a part of this version only."""
        mark = self.etag or self.modified
        return {"If-Range": mark} if mark else {}

    def is_of(self, headers: Mapping[str, str]) -> bool:
        """Tell whether an answer belongs to this version; a part may come without `Last-Modified`."""
        if self.etag:
            return headers.get("ETag") == self.etag
        return headers.get("Last-Modified", self.modified) == self.modified


def version_of(headers: Mapping[str, str]) -> Version:
    """Tell which version an answer is of; weak tags, and dates of the last second, say nothing about bytes."""
    etag = headers.get("ETag", "")
    if etag.startswith('"'):
        return Version(etag, None)
    return Version(None, headers.get("Last-Modified") if _is_strong_date(headers) else None)


def _is_strong_date(headers: Mapping[str, str]) -> bool:
    """See RFC 9110 section 8.8.2.2: whoever changes it twice in a second leaves the date as it was."""
    try:
        age = parsedate_to_datetime(headers["Date"]) - parsedate_to_datetime(headers["Last-Modified"])
    except (KeyError, ValueError, TypeError):
        return False
    return age >= timedelta(seconds=1)


def content_length(headers: Mapping[str, str]) -> int | None:
    """Read `Content-Length`; None when there is none."""
    text = headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def tells_its_end(headers: Mapping[str, str]) -> bool:
    """Tell whether the end of an answer can be told from a connection that broke."""
    return content_length(headers) is not None or "chunked" in headers.get("Transfer-Encoding", "").lower()


def content_range(headers: Mapping[str, str]) -> Part | None:
    """Read `Content-Range`; None when it is missing or makes no sense."""
    match = CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    if match is None:
        return None
    part = Part(int(match[1]), int(match[2]), None if match[3] == "*" else int(match[3]))
    return part if part.first <= part.last and (part.total is None or part.last < part.total) else None
