"""A query string taken apart, and put together again as the links of a page (reference section 6.1)."""

from collections.abc import Iterable
from urllib.parse import quote_plus, unquote_to_bytes

from service.refusals import BadRequest

IMAGES = "/v2/images"
TASKS = "/v2/tasks"
Pairs = tuple[tuple[str, str], ...]


def read_pairs(query: str) -> Pairs:
    """Take a query string apart, as it came over the wire: names and values in their order, repeated ones and all.

    A name without `=` has the empty value. Raises BadRequest for what is not UTF-8.
    """
    parts = (part.partition("=") for part in query.split("&") if part)
    return tuple((_decoded(name), _decoded(value)) for name, _, value in parts)


def _decoded(text: str) -> str:
    # Bytes that were sent raw, and are no UTF-8, are surrogates by now.
    raw = text.replace("+", " ").encode(errors="surrogateescape")
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise BadRequest("The query is not valid UTF-8 where it is percent-encoded.") from None


def first_link(pairs: Pairs, path: str = IMAGES) -> str:
    """Give the path of the first page: the query without its marker."""
    return _link(path, ((name, value) for name, value in pairs if name != "marker"))


def next_link(pairs: Pairs, marker: str, path: str = IMAGES) -> str:
    """Give the path of the page after an image, or what else the path lists: the query with that marker, last."""
    return _link(path, (*((name, value) for name, value in pairs if name != "marker"), ("marker", marker)))


def _link(path: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Form-encode; no host and no prefix, because clients put these paths behind the address they know."""
    query = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs)
    return f"{path}?{query}" if query else path
