"""The documents by which the API describes itself, and the operator's own (reference section 2.12)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from service.refusals import BadRequest
from service.schemas import OperatorSchema, image_schema, read_operator_schema
from service.settings import Settings, SettingsError
from service.validation import MOST_FAULTS, ImageSchema
from tests.callers import by
from tests.conftest import Client, Connect


@pytest.fixture
def store_url() -> str:
    """Schemas are above the drivers, so one of them will do."""
    return "memory://"


async def schema(client: Client, name: str) -> dict[str, Any]:
    response = await client.get(f"/v2/schemas/{name}", headers=by("nobody"))
    assert (response.status, response.content_type) == (200, "application/json")
    document: dict[str, Any] = await response.json()
    jsonschema.Draft7Validator.check_schema(document)
    assert document["name"] == name
    return document


@pytest.mark.parametrize(
    ("name", "keys", "links"),
    [
        ("image", {"properties", "additionalProperties", "links"}, ["self", "enclosure", "describedby"]),
        ("images", {"properties", "links"}, ["first", "next", "describedby"]),
        ("member", {"properties"}, []),
        ("members", {"properties", "links"}, ["describedby"]),
        ("task", {"properties"}, []),
        ("tasks", {"properties", "links"}, ["describedby"]),
    ],
)
async def test_each_has_the_parts_that_clients_look_for(
    client: Client, name: str, keys: set[str], links: list[str]
) -> None:
    document = await schema(client, name)
    assert document.keys() == keys | {"name"}
    assert [link["rel"] for link in document.get("links", [])] == links


@pytest.mark.parametrize("name", ["image", "member", "task"])
async def test_a_collection_holds_exactly_what_its_item_is(client: Client, name: str) -> None:
    collection = await schema(client, f"{name}s")
    assert collection["properties"][f"{name}s"]["items"] == await schema(client, name)


async def test_members_are_valid_by_their_schema(client: Client) -> None:
    image = await (await client.post("/v2/images", json={}, headers=by("ann"))).json()
    path = f"/v2/images/{image['id']}/members"
    member = await (await client.post(path, json={"member": "p2"}, headers=by("ann"))).json()
    jsonschema.validate(member, await schema(client, "member"))
    jsonschema.validate(await (await client.get(path, headers=by("ann"))).json(), await schema(client, "members"))


OPERATORS = {
    "architecture": {"type": "string", "enum": ["x86_64", "aarch64"]},
    "kernel_id": {"type": ["null", "string"], "pattern": "^[0-9a-f-]{36}$"},
}


class Watched(list[object]):
    """A list that counts how far it was read."""

    read = 0

    def __iter__(self) -> Iterator[object]:
        for item in super().__iter__():
            self.read += 1
            yield item


def test_a_value_full_of_faults_is_not_read_to_its_end() -> None:
    tags = Watched([5] * 100_000)
    with pytest.raises(BadRequest, match=r"tags\.\d+: 5 is not of type 'string'"):
        ImageSchema(image_schema(Settings(), OperatorSchema())).check({"tags": tags})
    assert tags.read == MOST_FAULTS


class TestOperatorSchema:
    """An operator's file describes additional properties, and create and PATCH keep to it."""

    @pytest.fixture(params=[{"properties": OPERATORS, "required": ["architecture"]}, OPERATORS], ids=["whole", "bare"])
    async def described(self, connect: Connect, tmp_path: Path, request: pytest.FixtureRequest) -> Client:
        path = tmp_path / "schema-image.json"
        path.write_text(json.dumps(request.param))
        return await connect(image_schema_file=str(path))

    async def test_its_properties_are_shown_as_no_base_fields(self, described: Client) -> None:
        properties = (await schema(described, "image"))["properties"]
        assert properties["architecture"] == OPERATORS["architecture"] | {"is_base": False}

    async def test_a_property_it_requires_is_missed_by_name(self, connect: Connect, tmp_path: Path) -> None:
        path = tmp_path / "schema-image.json"
        path.write_text(json.dumps({"properties": {}, "required": ["architecture"]}))
        client = await connect(image_schema_file=str(path))
        assert (await schema(client, "image"))["required"] == ["architecture"]
        response = await client.post("/v2/images", json={}, headers=by("ann", Accept="application/json"))
        assert response.status == 400
        assert "the object: 'architecture' is a required property" in (await response.json())["message"]

    async def test_create_and_patch_keep_to_it(self, described: Client) -> None:
        assert (await described.post("/v2/images", json={"architecture": "vax"}, headers=by("ann"))).status == 400
        created = await described.post(
            "/v2/images", json={"architecture": "x86_64", "kernel_id": None}, headers=by("ann")
        )
        assert created.status == 201
        assert (await created.json())["kernel_id"] == ""
        for value, status in (("vax", 400), ("aarch64", 200)):
            patched = await described.patch(
                (await created.json())["self"],
                json=[{"op": "replace", "path": "/architecture", "value": value}],
                headers=by("ann", Content_Type="application/openstack-images-v2.1-json-patch"),
            )
            assert patched.status == status

    @pytest.mark.parametrize(
        "text", ["", "[]", "x", '{"a": 5}', '{"a": {"type": "word"}}', '{"name": {"type": "string"}}', '{"size": {}}']
    )
    def test_a_file_that_cannot_be_used_stops_the_start_by_name(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "schema-image.json"
        path.write_text(text)
        with pytest.raises(SettingsError, match=r"schema-image\.json"):
            read_operator_schema(str(path))

    def test_a_file_that_is_not_there_stops_the_start_by_name(self) -> None:
        with pytest.raises(SettingsError, match=r"/nowhere\.json"):
            read_operator_schema("/nowhere.json")
