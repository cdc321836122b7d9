"""The page that shows the documentation: Swagger UI, from the files of an installed package."""

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

# Every address is relative, so that the page also works behind a proxy that puts a prefix before it.
PAGE = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Vitrine: the Image API</title>
    <link rel="icon" type="image/png" href="docs/favicon-32x32.png">
    <link rel="stylesheet" href="docs/swagger-ui.css">
  </head>
  <body>
    <div id="page"></div>
    <script src="docs/swagger-ui-bundle.js"></script>
    <script src="docs/start.js"></script>
  </body>
</html>
"""
# A token that was typed in is forgotten with the page.
START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#page",
  deepLinking: true,
  persistAuthorization: false,
});
"""
SWAGGER_UI = {
    "favicon-32x32.png": "image/png",
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
}


class PageFile(NamedTuple):
    """A file that the page is made of: its media type, and what reads it."""

    content_type: str
    read: Callable[[], bytes]


def find_page_files() -> Mapping[str, PageFile]:
    """Find the files of the page by name, in the installed Swagger UI; only what is here is ever served."""
    package = importlib.util.find_spec("swagger_ui")
    if package is None or package.origin is None:
        raise RuntimeError("swagger-ui-py, which carries the files of the documentation page, is not installed.")
    static = Path(package.origin).with_name("static")
    files = {name: PageFile(kind, (static / name).read_bytes) for name, kind in SWAGGER_UI.items()}
    return MappingProxyType(files | {"start.js": PageFile("text/javascript", START.encode)})
