"""Version discovery: which minors of the API are served, and where (reference section 1)."""

import msgspec
from aiohttp import web

from service.addressing import accepted_minors
from service.answer import JsonAnswer
from service.base_url import base_url
from service.keys import SETTINGS


class Link(msgspec.Struct, frozen=True):
    """Where a version is."""

    href: str
    rel: str = "self"


class Version(msgspec.Struct, frozen=True):
    """One minor of the API: the newest is CURRENT, the others are SUPPORTED."""

    id: str
    status: str
    links: list[Link]


class Versions(msgspec.Struct, frozen=True):
    """The list of versions, newest first."""

    versions: list[Version]


async def multiple_choices(request: web.Request) -> web.Response:
    """List the versions with status 300, for `/` and for every path that is no version's."""
    return _answer(request, 300)


async def versions(request: web.Request) -> web.Response:
    """List the versions."""
    return _answer(request, 200)


async def redirect(request: web.Request) -> web.Response:
    """Send `/v2` on to `/v2/`, as Glance does."""
    return web.Response(status=302, headers={"Location": f"{base_url(request)}/v2/"})


def _answer(request: web.Request, status: int) -> web.Response:
    minors = accepted_minors(request.app[SETTINGS].features)
    links = [Link(f"{base_url(request)}/v2/")]
    listed = [Version(minor, "SUPPORTED" if number else "CURRENT", links) for number, minor in enumerate(minors)]
    return JsonAnswer(msgspec.json.encode(Versions(listed)), status=status)
