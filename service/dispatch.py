"""The prompt routes, found by a look into a dictionary where the framework's router would try patterns."""

from typing import NamedTuple

from aiohttp import web


class PromptRoute(NamedTuple):
    """A route of the framework's, and the name of its path's last segment."""

    route: web.AbstractRoute
    name: str


class PromptRoutes:
    """Routes whose paths are words, and last a name in braces: `/v2/images/{image_id}`."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str], PromptRoute] = {}

    def add(self, route: web.AbstractRoute, path: str) -> None:
        """Add one by its path; raises ValueError for a path of another kind."""
        words, _, name = path.rpartition("/")
        if "{" in words or not name.startswith("{"):
            raise ValueError(f"{path} does not consist of words and one name")
        self._routes[route.method, words] = PromptRoute(route, name[1:-1])

    def find(self, method: str, path: str) -> web.UrlMappingMatchInfo | None:
        """Match a path as it was sent; None when it is none of these, or the router has to look closer at it."""
        words, _, last = path.rpartition("/")
        found = self._routes.get((method, words))
        if found is None or not last or "%" in last or "{" in last or "}" in last:
            return None
        return web.UrlMappingMatchInfo({found.name: last}, found.route)
