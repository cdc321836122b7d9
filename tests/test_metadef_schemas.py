"""The schemas of metadata definitions (section 9); the stories hold every body against them."""

from typing import Any

import jsonschema
import pytest

from service.metadefs.bodies import Fragment
from tests.conftest import Client
from tests.metadefs import ask


@pytest.fixture
def store_url() -> str:
    """Schemas are above the drivers, so one of them will do."""
    return "memory://"


async def schema(client: Client, path: str) -> Any:
    document = await ask(client, "GET", f"/v2/schemas/metadefs/{path}", 200, name="nobody")
    jsonschema.Draft4Validator.check_schema(document)
    return document


@pytest.mark.parametrize(
    ("path", "name", "required", "defined"),
    [
        ("namespace", "namespace", ["namespace"], True),
        ("object", "object", ["name"], True),
        ("property", "property", ["type", "title", "name"], True),
        ("resource_type", "resource_type_association", ["name"], False),
        ("tag", "tag", ["name"], False),
    ],
)
async def test_an_item_allows_its_fields_only(
    client: Client, path: str, name: str, required: list[str], defined: bool
) -> None:
    document = await schema(client, path)
    assert (document["name"], document["required"], document["additionalProperties"]) == (name, required, False)
    assert document.keys() - {"definitions"} == {"name", "properties", "required", "additionalProperties"}
    assert ("definitions" in document) == defined


@pytest.mark.parametrize(
    ("path", "name", "item"),
    [
        ("namespaces", "namespaces", "namespace"),
        ("objects", "objects", "object"),
        ("properties", "properties", "property"),
        ("resource_types", "resource_type_associations", "resource_type"),
        ("tags", "tags", "tag"),
    ],
)
async def test_a_collection_holds_what_its_item_is(client: Client, path: str, name: str, item: str) -> None:
    document, one = await schema(client, path), await schema(client, item)
    assert document["name"] == name
    assert document["properties"].keys() == {name, "first", "next", "schema"}
    assert [link["rel"] for link in document["links"]] == ["first", "next", "describedby"]
    assert document.get("definitions") == one.get("definitions")
    inside = document["properties"][name]
    inner = inside["additionalProperties"] if name == "properties" else inside["items"]
    wanted = {key: value for key, value in one.items() if key != "definitions"}
    assert inner == wanted | ({"required": ["type", "title"]} if name == "properties" else {})


async def test_every_key_that_a_property_may_have_is_there(client: Client) -> None:
    known = (await schema(client, "property"))["properties"].keys()
    assert known == {*Fragment.__struct_encode_fields__, "required"}


async def test_another_name_is_404(client: Client) -> None:
    for path in ("image", "x", "", "tag/x"):
        await ask(client, "GET", f"/v2/schemas/metadefs/{path}", 404)
