"""The API's routes, found by the segments of a path where the framework's router would try patterns."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import hdrs, web

Answering = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Leaf(NamedTuple):
    """A route, and the names that its path gives to the segments in braces."""

    route: web.AbstractRoute
    names: tuple[str, ...]


class Branch:
    """All paths that begin alike: by the next segment, those where it may be any, and the routes that end here."""

    __slots__ = ("any", "leaves", "next")

    def __init__(self) -> None:
        self.next: dict[str, Branch] = {}
        self.any: Branch | None = None
        self.leaves: dict[str, Leaf] = {}


class RouteTree:
    """Routes whose paths are words and names in braces; a word goes before a name."""

    def __init__(self) -> None:
        self._root = Branch()

    def add(self, route: web.AbstractRoute, path: str) -> None:
        """Put a route of the framework's into the tree."""
        branch, names = self._root, []
        for segment in path.split("/"):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                branch.any = branch = branch.any or Branch()
            else:
                branch = branch.next.setdefault(segment, Branch())
        branch.leaves[route.method] = Leaf(route, tuple(names))

    def find(self, method: str, path: str) -> web.UrlMappingMatchInfo | None:
        """Match a path as it was sent; None when it is none of the tree's, or has to be looked at more closely."""
        if "%" in path or "{" in path or "}" in path:
            return None
        branch, values = self._root, []
        for segment in path.split("/"):
            following = branch.next.get(segment)
            if following is None:
                following = branch.any
                if following is None or not segment:
                    return None
                values.append(segment)
            branch = following
        leaf = branch.leaves.get(method)
        return None if leaf is None else web.UrlMappingMatchInfo(dict(zip(leaf.names, values, strict=True)), leaf.route)


def dispatcher(app: web.Application, tree: RouteTree, otherwise: Answering) -> Answering:
    """Answer by the tree, and `otherwise` what is not in it; the application may have no middlewares."""

    def dispatch(request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        match = tree.find(request.method, request.rel_url.raw_path)
        if match is None or hdrs.EXPECT in request.headers or not isinstance(request, web.Request):
            return otherwise(request)
        match.add_app(app)
        match.freeze()
        request._match_info = match  # noqa: SLF001 - as the framework's own dispatch does
        return match.handler(request)

    return dispatch
