"""OpenAPI 3.1 from the routes: aiohttp-apispec finds the operations, msgspec describes the bodies."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp_apispec import docs
from aiohttp_apispec.aiohttp_apispec import AiohttpApiSpec
from apispec import APISpec

from service.openapi.bodies import NewImage
from service.openapi.operation import Answer, Parameter
from service.openapi.rules import answers_of, parameters_of
from service.route import Route
from service.wire import ImageBody

DESCRIPTION = """The OpenStack Image API v2: what a cloud's images are, whose they are, and who may see them.

To try it here, press *Authorize* and enter a token as `X-Auth-Token`. Errors come as JSON, HTML or plain text,
whichever `Accept` prefers. Every version from `/v2.0` on answers as `/v2` does."""
SECURITY_SCHEMES = {
    "X-Auth-Token": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Auth-Token",
        "description": "Who asks: a token of the cloud's identity service.",
    },
    "X-Service-Token": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Service-Token",
        "description": "Optional, beside the other: the token of a service that asks on a user's behalf.",
    },
}
SECURITY: list[dict[str, list[str]]] = [{"X-Auth-Token": []}, {"X-Auth-Token": [], "X-Service-Token": []}]
# msgspec describes the fields of a struct; what may stand beside them it cannot know.
BESIDE_THE_FIELDS = {ImageBody.__name__: {"type": "string"}, NewImage.__name__: {"type": "string"}}


def describe(app: web.Application, routes: Sequence[tuple[Route, Handler]]) -> dict[str, Any]:
    """Make the OpenAPI document of an application; `routes` are those to tell of, with what serves them there."""
    for route, handler in routes:
        _attach(route, handler)
    contents = (content for route, _ in routes for content in _contents(route))
    return MsgspecApiSpec(body for content in contents for body in content.values()).describe(app)


def _attach(route: Route, handler: Handler) -> None:
    """Attach a route's documentation to its handler, where aiohttp-apispec looks for it."""
    docs(
        tags=[route.doc.tag],
        summary=route.doc.summary,
        description=route.doc.description,
        parameters=[_parameter(parameter) for parameter in parameters_of(route)],
        responses=answers_of(route),
        **({"security": []} if route.open else {}),
        **({"requestBody": route.doc.body} if route.doc.body else {}),
    )(handler)


def _contents(route: Route) -> Iterable[Mapping[str, Any]]:
    return [route.doc.body, *(answer.content for answer in answers_of(route).values())]


class MsgspecApiSpec(AiohttpApiSpec):  # type: ignore[misc]  # published without annotations
    """aiohttp-apispec, but it writes OpenAPI 3.1 with msgspec where the original writes 2.0 with marshmallow."""

    def __init__(self, bodies: Iterable[Any]) -> None:
        about = {"title": "Vitrine", "version": version("vitrine")}
        super().__init__(**about)
        # Relative to the document's own address, so that it also holds behind a proxy or under another name.
        server = {"url": ".", "description": "this service"}
        self.spec = APISpec(
            **about, openapi_version="3.1.0", info={"description": DESCRIPTION}, servers=[server], security=SECURITY
        )
        for name, scheme in SECURITY_SCHEMES.items():
            self.spec.components.security_scheme(name, scheme)
        self._schemas = self._add_schemas(list(dict.fromkeys(bodies)))

    def _add_schemas(self, bodies: list[Any]) -> dict[Any, dict[str, Any]]:
        """Put every struct among the components, and give the schema of each body, which may refer to those."""
        schemas, components = msgspec.json.schema_components(bodies, ref_template="#/components/schemas/{name}")
        for name, schema in components.items():
            self.spec.components.schema(name, _tidied(name, schema))
        return dict(zip(bodies, schemas, strict=True))

    def describe(self, app: web.Application) -> dict[str, Any]:
        """Walk the routes; not by `register`, which leaves untyped keys in the application and warns of them."""
        for route in app.router.routes():
            self._register_route(route, route.method.lower(), route.handler)
        document: dict[str, Any] = self.swagger_dict()
        return document

    def _update_paths(self, data: dict[str, Any], method: str, url_path: str) -> None:
        """Add one operation; called by the walk, which also meets `*`, a word that OpenAPI does not have."""
        operation = {name: value for name, value in data.items() if name not in {"schemas", "produces"}}
        operation["responses"] = {status: self._response(answer) for status, answer in data["responses"].items()}
        if "requestBody" in data:
            operation["requestBody"] = {"required": True, "content": self._content(data["requestBody"])}
        self.spec.path(url_path, operations={"get" if method == "*" else method: operation})

    def _response(self, answer: Answer) -> dict[str, Any]:
        headers = {
            name: {"description": header.description, "required": header.promised, "schema": {"type": "string"}}
            for name, header in answer.headers.items()
        }
        return {"description": answer.description, "headers": headers, "content": self._content(answer.content)}

    def _content(self, content: Mapping[str, Any]) -> dict[str, Any]:
        return {media: {"schema": self._schemas[body]} for media, body in content.items()}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "in": parameter.place,
        "name": parameter.name,
        "description": parameter.description,
        "required": parameter.place == "path",
        "schema": msgspec.json.schema(parameter.type),
    }


def _tidied(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Take the indentation of the source from a description, and say what may stand beside the fields."""
    beside = {"additionalProperties": BESIDE_THE_FIELDS[name]} if name in BESIDE_THE_FIELDS else {}
    return schema | beside | {"description": inspect.cleandoc(schema.get("description", ""))}
