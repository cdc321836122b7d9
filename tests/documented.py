"""A client middleware that holds every answer against the documentation."""

import json
import re
from typing import Any

from aiohttp import ClientHandlerType, ClientMiddlewareType, ClientRequest, ClientResponse
from jsonschema import Draft202012Validator

# Any version answers as `/v2` does, and so does none where `Accept` names one.
VERSION = re.compile(r"^/v2\.\d+(?=/|$)")


def answers_as_documented(document: dict[str, Any]) -> ClientMiddlewareType:
    """Make the middleware; a client that has it raises AssertionError for an answer that `document` does not promise.

    `TestClient(..., middlewares=(answers_as_documented(document),))` is all that a test needs.
    """
    paths = {_pattern(path): operations for path, operations in document["paths"].items()}
    components = {name: _strict(schema) for name, schema in document["components"]["schemas"].items()}

    async def comparing(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        response = await handler(request)
        path = VERSION.sub("/v2", request.url.raw_path)
        # Every OPTIONS is answered alike, before any path is looked at.
        if request.method != "OPTIONS":
            operations = _found(paths, path) or _found(paths, f"/v2{path}")
            await _compare(response, _promised(operations, response), components)
        return response

    return comparing


def _pattern(path: str) -> re.Pattern[str]:
    # A `tail` is all the rest of a path, slashes too, for which OpenAPI has no word.
    return re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path).replace(r"\{tail\}", ".*")))


def _found(paths: dict[re.Pattern[str], dict[str, Any]], path: str) -> dict[str, Any]:
    return next((operations for pattern, operations in paths.items() if pattern.fullmatch(path)), {})


def _promised(operations: dict[str, Any], response: ClientResponse) -> dict[str, Any] | None:
    """Find what is said of this status; where the path has not this method, 405 is said of each it has."""
    if not operations:
        assert response.status in {300, 401, 404}, f"{response.method} {response.url} is not documented"
        return None
    operation = operations.get(response.method.lower()) or next(iter(operations.values()))
    assert str(response.status) in operation["responses"], f"{response.method} {response.url}: {response.status}"
    answer: dict[str, Any] = operation["responses"][str(response.status)]
    return answer


async def _compare(response: ClientResponse, answer: dict[str, Any] | None, components: dict[str, Any]) -> None:
    if answer is None:
        return
    for name, header in answer["headers"].items():
        assert name in response.headers or not header["required"], f"{response.url}: {response.status} without {name}"
    if response.method == "HEAD":
        return
    if not answer["content"]:
        assert await response.read() == b"", f"{response.url}: {response.status} has a body"
        return
    assert response.content_type in answer["content"], f"{response.url}: {response.content_type}"
    if response.content_type == "application/json":
        schema = answer["content"]["application/json"]["schema"]
        body = json.loads(await response.read())
        Draft202012Validator(schema | {"components": {"schemas": components}}).validate(body)


def _strict(schema: dict[str, Any]) -> dict[str, Any]:
    """Let an object have only the documented fields, where the document leaves open that there may be others."""
    return {"additionalProperties": False} | schema if schema.get("type") == "object" else schema
