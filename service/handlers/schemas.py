"""The schemas, encoded once when the application is made."""

from collections.abc import Mapping

from aiohttp import web

from service.answer import JsonAnswer
from service.keys import METADEF_SCHEMAS, SCHEMAS


async def show(request: web.Request) -> web.Response:
    """Show one of the documents that describe the API's resources, by its name."""
    return _document(request.app[SCHEMAS], request)


async def show_metadef(request: web.Request) -> web.Response:
    """Show one of the documents that describe metadata definitions, by its name."""
    return _document(request.app[METADEF_SCHEMAS], request)


def _document(schemas: Mapping[str, bytes], request: web.Request) -> web.Response:
    document = schemas.get(request.match_info["name"])
    if document is None:
        raise web.HTTPNotFound
    return JsonAnswer(document)
