"""The documentation of the documentation."""

from typing import Any

from service.openapi.operation import JSON, Answer, Operation, Parameter

SHOW_PAGE = Operation(
    "Documentation", "Read the documentation in a browser", {200: Answer("The page.", {"text/html": str})}
)
SHOW_FILE = Operation(
    "Documentation",
    "Fetch a file that the page is made of",
    {
        200: Answer("The file.", {"text/javascript": str, "text/css": str, "image/png": bytes}),
        404: Answer("The page has no such file."),
    },
    (Parameter("path", "file", "The file's name."),),
)
SHOW_DOCUMENT = Operation("Documentation", "Fetch this document", {200: Answer("OpenAPI 3.1.", {JSON: dict[str, Any]})})
