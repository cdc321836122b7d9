"""What every request meets before its handler and every answer after it, the same for all routes."""

from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from service.addressing import names_version
from service.auth import Authenticate
from service.errors import answer_to
from service.handlers.versions import multiple_choices
from service.keys import CALLER
from service.refusals import BadRequest
from service.request_id import HEADER, name_request, request_id_of
from service.routes import Route


class Gate(NamedTuple):
    """What stands before the API: the versions that are accepted, and the step that asks who comes."""

    versions: frozenset[str]
    authenticate: Authenticate

    def leads_to(self, segment: str, request: web.Request) -> bool:
        """Tell whether the request, whose path begins with `segment`, asks for an accepted version."""
        return names_version(segment, request.headers.get(hdrs.ACCEPT), self.versions)


def open_entrance(route: Route) -> Handler:
    """Put the steps around the handler of a route that anybody may call."""

    async def enter(request: web.Request) -> web.StreamResponse:
        if request.method == "OPTIONS":  # a route for any method would take it
            return web.Response()
        name_request(request)
        try:
            check_request(request, route)
            return await route.handler(request)
        except Exception as error:  # noqa: BLE001 - the outermost net
            return answer_to(request, error)

    return enter


def entrance(route: Route, segment: str, gate: Gate) -> Handler:
    """Put the steps around the handler of a route below `/segment`: which version, who asks, is the request sound.

    Plain wrapping rather than middlewares: the framework's cost as much as all the steps together.
    """

    async def enter(request: web.Request) -> web.StreamResponse:
        name_request(request)
        try:
            if not gate.leads_to(segment, request):
                return await multiple_choices(request)
            request[CALLER] = await gate.authenticate(request.headers)
            check_request(request, route)
            response = await route.handler(request)
        except Exception as error:  # noqa: BLE001 - the outermost net
            return identified(request, answer_to(request, error))
        response.headers[HEADER] = request_id_of(request)
        return response

    return enter


def elsewhere(gate: Gate, open_segments: frozenset[str]) -> Handler:
    """Answer what no route takes: OPTIONS (section 8.6), 404 and 405 where something is, else the list of versions."""

    async def enter(request: web.Request) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return web.Response()
        name_request(request)
        segment = request.path.split("/", 2)[1]
        try:
            if segment not in open_segments:
                if not gate.leads_to(segment, request):
                    return await multiple_choices(request)
                request[CALLER] = await gate.authenticate(request.headers)
            response = answer_to(request, await _nothing_for(request))
        except Exception as error:  # noqa: BLE001 - the outermost net
            response = answer_to(request, error)
        return identified(request, response)

    return enter


async def _nothing_for(request: web.Request) -> web.HTTPException:
    """Find out whether another method would have done."""
    allowed: set[str] = set()
    for resource in request.app.router.resources():
        _, methods = await resource.resolve(request)
        allowed |= methods - {"*"}
    return web.HTTPMethodNotAllowed(request.method, allowed) if allowed else web.HTTPNotFound()


def identified(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Tell the request's id in an answer to a known caller, errors included (section 8.2)."""
    if CALLER in request:
        response.headers[HEADER] = request_id_of(request)
    return response


def check_request(request: web.Request, route: Route) -> None:
    """Raise BadRequest for what no handler should have to think about, before policy is asked (section 2)."""
    raw_path = request.rel_url.raw_path
    if "%" in raw_path:
        _check_path(raw_path)
    if not route.body and request.body_exists:
        raise BadRequest("A body is not expected with this request.")


def _check_path(raw_path: str) -> None:
    try:
        path = unquote_to_bytes(raw_path).decode()
    except UnicodeDecodeError:
        raise BadRequest("The path is not valid UTF-8 where it is percent-encoded.") from None
    if "\0" in path:
        raise BadRequest("The path holds a NUL character (%00).")
