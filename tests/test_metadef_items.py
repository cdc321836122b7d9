"""Associations, objects and properties over HTTP (metadata definitions reference, sections 5 to 7)."""

from typing import Any

import pytest

from tests.conftest import Client
from tests.metadefs import FRAGMENT, PROPERTY, ask, made, timeless, valid

FULL = {
    "name": "full",
    "title": "Ç 😀",
    "description": "",
    "type": "array",
    "enum": ["a", "a", "b"],
    "operators": ["<or>", "<or>"],
    "minimum": 1.5,
    "maximum": 10**30,
    "minLength": 0,
    "maxLength": 5,
    "minItems": 0,
    "maxItems": 5,
    "pattern": "(",
    "items": {"type": "string", "enum": ["a"]},
    "readonly": True,
    "uniqueItems": False,
    "additionalItems": True,
}


BAD_ASSOCIATIONS: Any = [
    *(({"name": bad}, 400) for bad in ("", "a/b", "x" * 81, None, 5)),
    *(({"name": "T", "prefix": bad}, 400) for bad in (None, 5, "x" * 81)),
    *(({"name": "T", "properties_target": bad}, 400) for bad in (None, "x" * 81)),
    ({}, 400),
    ({"name": "T", "x": 1}, 400),
    ({"name": "T", "self": "x"}, 400),
    ({"name": "T", "created_at": "x"}, 403),
    ({"updated_at": "x"}, 403),
]


class TestAssociations:
    async def test_one_is_made_listed_and_ended(self, client: Client) -> None:
        await made(client)
        sent = {"name": "OS::Glance::Image", "prefix": "hw_", "properties_target": "image"}
        body = await ask(client, "POST", "/OS::A/resource_types", 201, sent)
        await valid(client, "resource_type", body)
        assert timeless(body) == sent
        assert body.keys() == {*sent, "created_at", "updated_at"}
        await ask(client, "POST", "/OS::A/resource_types", 201, {"name": "Bare", "prefix": ""})
        listed = await ask(client, "GET", "/OS::A/resource_types", 200)
        await valid(client, "resource_types", listed)
        assert timeless(listed) == {"resource_type_associations": [{"name": "Bare", "prefix": ""}, sent]}
        await ask(client, "POST", "/OS::A/resource_types", 409, {"name": "Bare"})
        await ask(client, "DELETE", "/OS::A/resource_types/OS%3A%3AGlance%3A%3AImage", 204)
        await ask(client, "DELETE", "/OS::A/resource_types/OS::Glance::Image", 404)
        await ask(client, "DELETE", "/OS::A/resource_types/nothing", 404)
        assert len((await ask(client, "GET", "/OS::A/resource_types", 200))["resource_type_associations"]) == 1
        assert len((await ask(client, "GET", "/v2/metadefs/resource_types", 200))["resource_types"]) == 2

    async def test_there_are_none_at_first(self, client: Client) -> None:
        await made(client)
        assert await ask(client, "GET", "/OS::A/resource_types", 200) == {"resource_type_associations": []}

    async def test_what_is_none_is_refused(self, client: Client) -> None:
        await made(client)
        for body, status in BAD_ASSOCIATIONS:
            await ask(client, "POST", "/OS::A/resource_types", status, body)
            assert await ask(client, "GET", "/v2/metadefs/resource_types", 200) == {"resource_types": []}


BAD_OBJECTS: Any = [
    *(({"name": bad}, 400) for bad in ("", "a/b", ".", "x" * 81, None, 5)),
    *(({"name": "o", "description": bad}, 400) for bad in (None, 5)),
    *(({"name": "o", "required": bad}, 400) for bad in (None, "a", [5], ["a", "a"])),
    ({"name": "o", "properties": None}, 400),
    ({"name": "o", "properties": []}, 400),
    ({"name": "o", "properties": {"p": None}}, 400),
    ({"name": "o", "properties": {"p": {**FRAGMENT, "x": 1}}}, 400),
    ({}, 400),
    ({"name": "o", "x": 1}, 400),
    *(({name: "x"}, 403) for name in ("self", "schema", "created_at", "updated_at")),
]


class TestObjects:
    async def test_the_answer_to_a_creation_has_what_was_sent(self, client: Client) -> None:
        await made(client)
        body = await ask(client, "POST", "/OS::A/objects", 201, {"name": "o"})
        assert timeless(body) == {
            "name": "o",
            "self": "/v2/metadefs/namespaces/OS::A/objects/o",
            "schema": "/v2/schemas/metadefs/object",
        }
        await valid(client, "object", body)
        shown = await ask(client, "GET", "/OS::A/objects/o", 200)
        assert shown == body | {"required": [], "properties": {}}

    async def test_all_of_it_comes_back(self, client: Client) -> None:
        await made(client)
        sent = {
            "name": "Ç 😀",
            "description": "x" * 5000,
            "required": ["a", "b,c", "nothing"],
            "properties": {"a": FULL, "": FRAGMENT, "x" * 100: FRAGMENT, "a/b": FRAGMENT},
        }
        body = await ask(client, "POST", "/OS::A/objects", 201, sent)
        assert {name: body[name] for name in sent} == sent
        shown = await ask(client, "GET", "/OS::A/objects/%C3%87%20%F0%9F%98%80", 200)
        assert shown == body
        assert shown.keys() == {*sent, "self", "schema", "created_at", "updated_at"}
        await valid(client, "object", shown)

    async def test_they_are_listed_by_name_whatever_is_asked(self, client: Client) -> None:
        await made(client, objects=[{"name": "b"}, {"name": "a"}])
        body = await ask(client, "GET", "/OS::A/objects", 200)
        await valid(client, "objects", body)
        assert body["schema"] == "/v2/schemas/metadefs/objects"
        assert [each["name"] for each in body["objects"]] == ["a", "b"]
        for query in ("limit=1", "marker=x", "sort_key=x", "sort_dir=desc", "visibility=shared", "x=%00"):
            assert await ask(client, "GET", f"/OS::A/objects?{query}", 200) == body
        for query in ("limit=0", "limit=-1", "limit=", "limit=x", "sort_dir=x", "visibility=x", "marker=%ff"):
            await ask(client, "GET", f"/OS::A/objects?{query}", 400)

    async def test_one_is_replaced_and_renamed(self, client: Client) -> None:
        await made(client, objects=[{"name": "b"}])
        sent = {"name": "a", "description": "x", "required": ["p"], "properties": {"p": FRAGMENT}}
        before = await ask(client, "POST", "/OS::A/objects", 201, sent)
        after = await ask(client, "PUT", "/OS::A/objects/a", 200, {"name": "c"})
        await valid(client, "object", after)
        assert timeless(after) == {
            "name": "c",
            "required": [],
            "properties": {},
            "self": "/v2/metadefs/namespaces/OS::A/objects/c",
            "schema": "/v2/schemas/metadefs/object",
        }
        assert after["created_at"] == before["created_at"]
        assert await ask(client, "GET", "/OS::A/objects/c", 200) == after
        await ask(client, "GET", "/OS::A/objects/a", 404)
        await ask(client, "PUT", "/OS::A/objects/a", 404, {"name": "a"})
        await ask(client, "PUT", "/OS::A/objects/c", 409, {"name": "b"})
        await ask(client, "POST", "/OS::A/objects", 409, {"name": "b"})

    async def test_they_are_deleted_one_by_one_and_all_at_once(self, client: Client) -> None:
        await made(client, objects=[{"name": "a"}, {"name": "b"}, {"name": "c"}], tags=[{"name": "t"}])
        await ask(client, "DELETE", "/OS::A/objects/a", 204)
        await ask(client, "DELETE", "/OS::A/objects/a", 404)
        for _ in range(2):
            await ask(client, "DELETE", "/OS::A/objects", 204)
            assert (await ask(client, "GET", "/OS::A/objects", 200))["objects"] == []
        assert "tags" in await ask(client, "GET", "/OS::A", 200)

    async def test_what_is_none_is_refused(self, client: Client) -> None:
        await made(client, objects=[{"name": "kept"}])
        for body, status in BAD_OBJECTS:
            for method, path in (("POST", "/OS::A/objects"), ("PUT", "/OS::A/objects/kept"), ("POST", "/none/objects")):
                await ask(client, method, path, status, body)
            assert [each["name"] for each in (await ask(client, "GET", "/OS::A/objects", 200))["objects"]] == ["kept"]


BAD_PROPERTIES: Any = [
    *(({"name": bad}, 400) for bad in ("", "a/b", "x" * 81, None, 5)),
    *(({"title": bad}, 400) for bad in (None, 5)),
    *(({"type": bad}, 400) for bad in (None, "null", "word", ["string"])),
    *(({"enum": bad}, 400) for bad in (None, "a", [5], [None])),
    *(({"operators": bad}, 400) for bad in (None, "a", [5])),
    *(({"minimum": bad}, 400) for bad in (None, "1", True)),
    *(({"maxLength": bad}, 400) for bad in (None, -1, 1.5, True, "1")),
    *(
        ({"items": bad}, 400)
        for bad in (None, {}, {"type": "word"}, {"type": "string", "enum": [1]}, {"type": "string", "x": 1})
    ),
    *(({"readonly": bad}, 400) for bad in (None, 1, "yes")),
    *(({"pattern": bad}, 400) for bad in (None, 1)),
    *(({bad: ["x"]}, 400) for bad in ("required", "confidential", "self", "x")),
    *(({name: "x"}, 403) for name in ("created_at", "updated_at")),
]


PATHS: Any = [
    ("hw:cores?resource_type=Flavor", 200),
    ("cores?resource_type=Bare", 200),
    ("cores?resource_type=", 200),
    ("cores?x=y", 200),
    ("cores", 200),
    ("cores?resource_type=Flavor", 404),
    ("hw:x?resource_type=Flavor", 404),
    ("hw:?resource_type=Flavor", 404),
    ("hw:cores?resource_type=Bare", 404),
    ("hw:cores", 404),
    ("cores?resource_type=x", 404),
    ("cores?resource_type=%00", 404),
]


class TestProperties:
    async def test_all_of_it_comes_back_and_nothing_else(self, client: Client) -> None:
        await made(client)
        for sent in (PROPERTY, FULL):
            assert await ask(client, "POST", "/OS::A/properties", 201, sent) == sent
            shown = await ask(client, "GET", f"/OS::A/properties/{sent['name']}", 200)
            assert shown == sent
            await valid(client, "property", shown)
        listed = await ask(client, "GET", "/OS::A/properties?x=y", 200)
        assert listed == {"properties": {"cores": PROPERTY, "full": FULL}}
        await valid(client, "properties", listed)

    @pytest.mark.parametrize(
        ("sent", "kept"),
        [
            *((100, "100"), (True, "True"), (1.5, "1.5"), ("x", "x"), ("", ""), ("Ç 😀", "Ç 😀")),
            *((None, None), ([1], None), ({"a": 1}, None)),
        ],
        ids=str,
    )
    async def test_a_default_is_kept_as_text(self, client: Client, sent: Any, kept: Any) -> None:
        await made(client, properties={"a": {**FRAGMENT, "default": sent}})
        body = await ask(client, "POST", "/OS::A/properties", 201, {**PROPERTY, "default": sent})
        assert body["default"] == kept
        await ask(
            client, "POST", "/OS::A/objects", 201, {"name": "o", "properties": {"p": {**FRAGMENT, "default": sent}}}
        )
        whole = await ask(client, "GET", "/OS::A", 200)
        for each in (*whole["properties"].values(), whole["objects"][0]["properties"]["p"]):
            assert each["default"] == kept
        await valid(client, "namespace", whole)

    async def test_one_is_replaced_and_renamed(self, client: Client) -> None:
        await made(client, properties={"taken": FRAGMENT})
        await ask(client, "POST", "/OS::A/properties", 201, FULL)
        body = await ask(client, "PUT", "/OS::A/properties/full", 200, PROPERTY)
        assert body == PROPERTY
        await ask(client, "GET", "/OS::A/properties/full", 404)
        await ask(client, "PUT", "/OS::A/properties/full", 404, PROPERTY)
        await ask(client, "PUT", "/OS::A/properties/cores", 409, PROPERTY | {"name": "taken"})
        await ask(client, "POST", "/OS::A/properties", 409, PROPERTY | {"name": "taken"})
        assert (await ask(client, "GET", "/OS::A", 200))["properties"] == {"cores": FRAGMENT, "taken": FRAGMENT}

    async def test_they_are_deleted_one_by_one_and_all_at_once(self, client: Client) -> None:
        await made(client, properties={"a": FRAGMENT, "b": FRAGMENT})
        await ask(client, "DELETE", "/OS::A/properties/a", 204)
        await ask(client, "DELETE", "/OS::A/properties/a", 404)
        for _ in range(2):
            await ask(client, "DELETE", "/OS::A/properties", 204)
            assert await ask(client, "GET", "/OS::A/properties", 200) == {"properties": {}}

    async def test_the_path_has_the_name_as_on_the_resource_type(self, client: Client) -> None:
        types = [{"name": "Flavor", "prefix": "hw:"}, {"name": "Bare"}, {"name": "Empty", "prefix": ""}]
        await made(client, properties={"cores": FRAGMENT}, resource_type_associations=types)
        for path, status in PATHS:
            body = await ask(client, "GET", f"/OS::A/properties/{path}", status)
            assert status == 404 or body == PROPERTY

    async def test_names_that_collide_through_prefixes_stay_apart(self, client: Client) -> None:
        types = [{"name": "A", "prefix": "hw_"}, {"name": "B", "prefix": "hw_a_"}]
        properties = {name: {**FRAGMENT, "title": name} for name in ("b", "a_b", "hw_b", "hw_hw_b")}
        await made(client, properties=properties, resource_type_associations=types)
        for path, title in (("hw_a_b?resource_type=A", "a_b"), ("hw_a_b?resource_type=B", "b"), ("hw_b", "hw_b"),
                            ("hw_hw_b?resource_type=A", "hw_b")):  # fmt: skip
            assert (await ask(client, "GET", f"/OS::A/properties/{path}", 200))["title"] == title
        shown = (await ask(client, "GET", "/OS::A?resource_type=A", 200))["properties"]
        assert {name: each["title"] for name, each in shown.items()} == {f"hw_{name}": name for name in properties}

    async def test_what_is_none_is_refused(self, client: Client) -> None:
        await made(client, properties={"cores": FRAGMENT})
        for changes, status in BAD_PROPERTIES:
            for method, path in (("POST", "/OS::A/properties"), ("PUT", "/OS::A/properties/cores")):
                await ask(client, method, path, status, {**FULL, **changes})
            for missing in ("name", "title", "type"):
                await ask(client, "POST", "/OS::A/properties", 400, {k: v for k, v in FULL.items() if k != missing})
            assert (await ask(client, "GET", "/OS::A/properties", 200)) == {"properties": {"cores": PROPERTY}}
