"""The documentation of the schemas by which the API describes itself."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from service.openapi.operation import JSON, Answer, Operation, Parameter

Name = Annotated[
    Literal["image", "images", "member", "members", "task", "tasks"], Meta(extra_json_schema={"type": "string"})
]
SHOW_SCHEMA = Operation(
    "JSON schemas",
    "Show a JSON schema",
    {200: Answer("The schema.", {JSON: dict[str, Any]})},
    (Parameter("path", "name", "What the schema describes.", Name),),
)
