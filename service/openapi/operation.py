"""What the documentation says of one route, as data; `document` makes OpenAPI of it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

JSON = "application/json"
TEXT = "text/plain"
NOTHING: Mapping[Any, Any] = MappingProxyType({})


class Parameter(NamedTuple):
    """What a request says in its path, query or headers; `type` is any that msgspec can describe."""

    place: Literal["path", "query", "header"]
    name: str
    description: str
    type: Any = str


class Header(NamedTuple):
    """A header of an answer; `promised` when every such answer has it."""

    description: str
    promised: bool = True


class Answer(NamedTuple):
    """What comes with one status. `content`: the body's type by its media type, empty where there is no body."""

    description: str
    content: Mapping[str, Any] = NOTHING
    headers: Mapping[str, Header] = NOTHING


class Operation(NamedTuple):
    """One route's documentation; the answers that follow from the route alone are added by `rules`.

    `body`: what may be sent, as a type by media type.
    """

    tag: str
    summary: str
    answers: Mapping[int, Answer]
    parameters: tuple[Parameter, ...] = ()
    body: Mapping[str, Any] = NOTHING
    description: str = ""
