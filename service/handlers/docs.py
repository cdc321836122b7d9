"""The API's documentation: the OpenAPI document, and the page that lets people read and try it."""

import asyncio

from aiohttp import web

from service.keys import DOCUMENTATION, PAGE_FILES
from service.openapi.page import PAGE

# Swagger UI draws its arrows from `data:` and answers that are pictures from `blob:`; nothing comes from elsewhere.
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


async def page(request: web.Request) -> web.Response:
    """Show the page."""
    return web.Response(text=PAGE, content_type="text/html", headers=HEADERS)


async def file(request: web.Request) -> web.Response:
    """Send one of the files that the page is made of."""
    found = request.app[PAGE_FILES].get(request.match_info["file"])
    if found is None:
        raise web.HTTPNotFound
    headers = HEADERS | {"Cache-Control": "public, max-age=3600"}
    return web.Response(body=await asyncio.to_thread(found.read), content_type=found.content_type, headers=headers)


async def document(request: web.Request) -> web.Response:
    """Send the OpenAPI document."""
    document = await asyncio.to_thread(lambda: request.app[DOCUMENTATION].document)
    return web.Response(body=document, content_type="application/json", headers=HEADERS)
