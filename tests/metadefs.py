"""Asking for metadata definitions as a client does: as an administrator, unless a test says otherwise."""

import json
from typing import Any

import jsonschema
from yarl import URL

from tests.callers import by
from tests.conftest import Client

NAMESPACES = "/v2/metadefs/namespaces"
PROPERTY = {"name": "cores", "title": "Cores", "type": "integer"}
FRAGMENT = {"title": "Cores", "type": "integer"}
WHOLE: dict[str, Any] = {
    "namespace": "OS::A",
    "display_name": "Ç ☃ 😀",
    "description": "What it is about.",
    "visibility": "public",
    "protected": False,
    "owner": "p1",
    "resource_type_associations": [
        {"name": "OS::Nova::Flavor", "prefix": "hw:"},
        {"name": "OS::Glance::Image", "prefix": "hw_", "properties_target": "image"},
        {"name": "OS::Bare", "prefix": ""},
    ],
    "properties": {"cores": FRAGMENT, "a b": {"title": "B", "type": "string", "enum": ["x", "y"], "name": "a b"}},
    "objects": [
        {"name": "Z", "required": ["c"], "properties": {"c": {"title": "C", "type": "boolean"}}},
        {"name": "A", "description": "About."},
    ],
    "tags": [{"name": "old"}, {"name": "new"}],
}


async def ask(
    client: Client, method: str, path: str, status: int, body: object = None, name: str = "admin", **headers: str
) -> Any:
    """Send one request, hold the status against the expected one, and give the body, or an error's message."""
    response = await client.request(
        method,
        URL(path if path.startswith("/v2") else f"{NAMESPACES}{path}", encoded=True),
        data=None if body is None else json.dumps(body),
        headers=by(name, Accept="application/json", **headers),
    )
    text = await response.text()
    assert response.status == status, f"{response.status}: {text[:500]}"
    if status == 204:
        assert text == ""
        return None
    document = json.loads(text)
    return document if status < 400 else document["message"]


async def made(client: Client, namespace: str = "OS::A", **fields: Any) -> None:
    """Create a namespace of project p1, private unless a test says otherwise."""
    await ask(client, "POST", "", 201, {"namespace": namespace, "owner": "p1", **fields})


async def valid(client: Client, schema: str, body: object) -> None:
    """Hold a body against a served schema, as python-glanceclient does."""
    document = await ask(client, "GET", f"/v2/schemas/metadefs/{schema}", 200, name="nobody")
    jsonschema.Draft4Validator(document).validate(body)


def timeless(body: Any) -> Any:
    """Take the times out of a body, wherever they are."""
    if isinstance(body, dict):
        return {name: timeless(each) for name, each in body.items() if name not in {"created_at", "updated_at"}}
    return [timeless(each) for each in body] if isinstance(body, list) else body
