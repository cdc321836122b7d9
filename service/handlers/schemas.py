"""The schemas, encoded once when the application is made."""

from aiohttp import web

from service.answer import JsonAnswer
from service.keys import SCHEMAS


async def show(request: web.Request) -> web.Response:
    """Show one of the documents that describe the API's resources, by its name."""
    document = request.app[SCHEMAS].get(request.match_info["name"])
    if document is None:
        raise web.HTTPNotFound
    return JsonAnswer(document)
