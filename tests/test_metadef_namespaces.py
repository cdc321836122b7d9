"""Namespaces over HTTP: create, list, show, replace, delete (metadata definitions reference, section 4)."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.callers import by
from tests.conftest import Client, Connect
from tests.metadefs import FRAGMENT, NAMESPACES, WHOLE, ask, made, timeless, valid
from tests.test_policy_gates import overridden

SCALARS = {"namespace", "visibility", "protected", "owner", "created_at", "updated_at", "self", "schema"}


DOUBLETS: Any = [
    {"tags": [{"name": "a"}, {"name": "a"}]},
    {"objects": [{"name": "a"}, {"name": "a"}]},
    {"resource_type_associations": [{"name": "a"}, {"name": "a"}]},
]


READ_ONLY: Any = ["self", "schema", "created_at", "updated_at"]


class TestCreate:
    async def test_the_answer_has_the_defaults_and_nothing_that_is_null(self, client: Client) -> None:
        body = await ask(client, "POST", "", 201, {"namespace": "OS::A"})
        assert body.keys() == SCALARS
        assert timeless(body) == {
            "namespace": "OS::A",
            "visibility": "private",
            "protected": False,
            "owner": "operators",
            "self": "/v2/metadefs/namespaces/OS::A",
            "schema": "/v2/schemas/metadefs/namespace",
        }
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body["created_at"])
        assert body == await ask(client, "GET", "/OS::A", 200)
        await valid(client, "namespace", body)

    async def test_the_answer_has_the_children_as_they_were_sent(self, client: Client) -> None:
        body = await ask(client, "POST", "", 201, WHOLE)
        assert {name: body[name] for name in WHOLE} == WHOLE
        await valid(client, "namespace", body)
        empty = {"namespace": "OS::B", "tags": [], "objects": [], "properties": {}, "resource_type_associations": []}
        body = await ask(client, "POST", "", 201, empty)
        assert {name: body[name] for name in empty} == empty

    @pytest.mark.parametrize("name", ["OS::Nova::Flavor", "a b+c%d.e{f}?#", "Ç ☃ 😀", "x" * 80])
    async def test_location_leads_to_it_whatever_its_name(self, client: Client, name: str) -> None:
        response = await client.post(NAMESPACES, json={"namespace": name}, headers=by("admin"))
        assert response.status == 201
        location = response.headers["Location"]
        assert location == f"http://{client.host}:{client.port}{NAMESPACES}/{quote(name, safe=':')}"
        path = location.removeprefix(f"http://{client.host}:{client.port}")
        assert (await ask(client, "GET", path, 200))["namespace"] == name

    async def test_a_public_endpoint_is_in_location(self, connect: Connect) -> None:
        client = await connect(public_endpoint="https://image.example/")
        response = await client.post(NAMESPACES, json={"namespace": "a"}, headers=by("admin"))
        assert response.headers["Location"] == "https://image.example/v2/metadefs/namespaces/a"

    async def test_a_name_is_taken_even_by_what_the_caller_cannot_see(self, connect: Connect, tmp_path: Path) -> None:
        client = await connect(policy=overridden(tmp_path, metadef_admin="@", get_metadef_namespace="@"))
        await made(client, owner="p2")
        await ask(client, "GET", "/OS::A", 404, name="ann")
        assert "OS::A" in await ask(client, "POST", "", 409, {"namespace": "OS::A"}, name="ann")

    async def test_a_name_that_is_twice_in_a_list_leaves_nothing_behind(self, client: Client) -> None:
        for children in DOUBLETS:
            await ask(client, "POST", "", 409, {"namespace": "OS::A", **children})
            await ask(client, "GET", "/OS::A", 404)
            assert await ask(client, "GET", "/v2/metadefs/resource_types", 200) == {"resource_types": []}

    async def test_what_only_the_service_sets_is_refused_before_the_rest_is_read(self, client: Client) -> None:
        for name in READ_ONLY:
            for method, path in (("POST", ""), ("PUT", "/nothing")):
                assert name in await ask(client, method, path, 403, {name: 5})

    async def test_what_only_the_service_sets_is_ignored_in_children(self, client: Client) -> None:
        await ask(client, "POST", "", 201, WHOLE)
        body = await ask(client, "GET", "/OS::A", 200)
        again = {name: each for name, each in body.items() if name not in SCALARS} | {"namespace": "OS::B"}
        await ask(client, "POST", "", 201, again)
        await ask(client, "PUT", "/OS::B", 200, again)
        for name in ("objects", "properties", "resource_type_associations"):
            copy = await ask(client, "GET", "/OS::B", 200)
            assert re.sub("OS::B/", "OS::A/", str(timeless(copy[name]))) == str(timeless(body[name]))

    async def test_without_a_project_an_owner_is_needed(self, connect: Connect, tmp_path: Path) -> None:
        client = await connect(policy=overridden(tmp_path, metadef_admin="@", get_metadef_namespace="@"))
        assert "owner" in await ask(client, "POST", "", 400, {"namespace": "a"}, name="nobody")
        await ask(client, "POST", "", 201, {"namespace": "a", "owner": "p1"}, name="nobody")


# Every one of these is refused with these words, and leaves nothing behind.
BAD_NAMESPACES: list[tuple[dict[str, Any], str]] = [
    ({}, "namespace"),
    ({"namespace": None}, "namespace"),
    ({"namespace": ""}, "namespace"),
    ({"namespace": "a/b"}, "a/b"),
    ({"namespace": ".."}, "path"),
    ({"namespace": "x" * 81}, "80"),
    ({"namespace": "a\0"}, r"U\+0000"),
    ({"namespace": "a", "x": 1}, "x"),
    ({"namespace": "a", "display_name": "x" * 81}, "display_name"),
    ({"namespace": "a", "display_name": None}, "display_name"),
    ({"namespace": "a", "description": "x" * 501}, "description"),
    ({"namespace": "a", "visibility": "shared"}, "visibility"),
    ({"namespace": "a", "protected": "yes"}, "protected"),
    ({"namespace": "a", "owner": "x" * 256}, "owner"),
    ({"namespace": "a", "owner": None}, "owner"),
    ({"namespace": "a", "tags": None}, "tags"),
    ({"namespace": "a", "tags": {"name": "a"}}, "tags"),
    ({"namespace": "a", "tags": ["a"]}, r"tags\[0\]"),
    ({"namespace": "a", "tags": [{"name": "a"}, {"name": "x" * 81}]}, r"tags\[1\].name"),
    ({"namespace": "a", "tags": [{"name": "a", "x": 1}]}, r"tags\[0\]"),
    ({"namespace": "a", "objects": [{}]}, r"objects\[0\]"),
    ({"namespace": "a", "objects": [{"name": "o", "properties": {"p": {}}}]}, r"objects\[0\].properties.p"),
    ({"namespace": "a", "objects": [{"name": "o", "required": ["a", "a"]}]}, r"objects\[0\].required"),
    ({"namespace": "a", "properties": []}, "properties"),
    ({"namespace": "a", "properties": {"p": 5}}, "properties.p"),
    ({"namespace": "a", "properties": {"p": {"title": "P", "type": "word"}}}, "properties.p.type"),
    ({"namespace": "a", "properties": {"p": {**FRAGMENT, "confidential": True}}}, "confidential"),
    ({"namespace": "a", "properties": {"x" * 81: FRAGMENT}}, "80"),
    ({"namespace": "a", "properties": {"": FRAGMENT}}, "properties"),
    ({"namespace": "a", "properties": {"a/b": FRAGMENT}}, "a/b"),
    ({"namespace": "a", "resource_type_associations": [{"name": "T", "prefix": None}]}, "prefix"),
    ({"namespace": "a", "resource_type_associations": [{"name": "T", "prefix": "x" * 81}]}, "prefix"),
    ({"namespace": "a", "resource_type_associations": [{"prefix": "x"}]}, "name"),
]


async def test_what_is_no_namespace_is_refused_in_words_and_leaves_nothing(client: Client) -> None:
    await made(client, "kept", tags=[{"name": "t"}])
    for body, words in BAD_NAMESPACES:
        for method, path in (("POST", ""), ("PUT", "/kept"), ("PUT", "/nothing")):
            message = await ask(client, method, path, 400, body)
            assert re.search(words, message), message
            assert len(message) < 600
        assert [each["namespace"] for each in (await ask(client, "GET", "", 200))["namespaces"]] == ["kept"]


TAKING_BODIES = [
    *(("PUT", path) for path in ("", "/objects/o", "/properties/p", "/tags/t")),
    *(("POST", path) for path in ("/objects", "/properties", "/resource_types", "/tags")),
]
BAD_BODIES: Any = [
    *(b"", b"[]", b"[{}]", b'"x"', b"5", b"null", b"{", b"\xff", b'{"namespace": "\\ud800"}', b'{"name": NaN}'),
    *(b'{"x": 1e999}', b'{"x": ' + b"[" * 99 + b"]" * 99 + b"}", b'{"x": ' + b"9" * 5000 + b"}", b"[" * 100_000),
]


async def test_what_is_no_json_object_is_refused(client: Client) -> None:
    await made(client, "kept")
    for raw in BAD_BODIES:
        for method, path in TAKING_BODIES:
            response = await client.request(method, f"{NAMESPACES}/kept{path}", data=raw, headers=by("admin"))
            assert response.status == 400, await response.text()
        response = await client.post(NAMESPACES, data=raw, headers=by("admin"))
        assert response.status == 400, await response.text()


async def test_a_body_that_is_too_long_is_413(connect: Connect) -> None:
    client = await connect(body_limit=10_000)
    await made(client, "kept")
    properties = {f"p{number}": FRAGMENT for number in range(1000)}
    await ask(client, "POST", "", 413, {"namespace": "a", "properties": properties})
    await ask(client, "PUT", "/kept", 413, {"namespace": "a", "properties": properties})
    await ask(client, "POST", "/kept/objects", 413, {"name": "a", "properties": properties})


async def test_a_namespace_of_many_properties_is_kept_whole(client: Client) -> None:
    properties = {f"p{number:04}": {**FRAGMENT, "description": "x" * 200} for number in range(2000)}
    await made(client, properties=properties)
    assert (await ask(client, "GET", "/OS::A", 200))["properties"] == properties


MISSING: Any = ["/nothing", "/os::a", "/OS::A%2F", f"/{'x' * 3000}", "/OS::A/x", "/OS::A/tags/a/b"]


class TestShow:
    async def test_it_has_all_that_is_inside(self, client: Client) -> None:
        await ask(client, "POST", "", 201, WHOLE)
        body = await ask(client, "GET", "/OS::A", 200)
        await valid(client, "namespace", body)
        assert [each["name"] for each in body["resource_type_associations"]] == [
            *("OS::Bare", "OS::Glance::Image", "OS::Nova::Flavor")
        ]
        assert body["resource_type_associations"][1].keys() == {
            *("name", "prefix", "properties_target", "created_at", "updated_at")
        }
        assert body["properties"] == {"cores": FRAGMENT, "a b": {"title": "B", "type": "string", "enum": ["x", "y"]}}
        assert timeless(body["objects"]) == [
            {"name": "A", "description": "About.", "required": [], "properties": {}, **links("A")},
            {**WHOLE["objects"][0], **links("Z")},
        ]
        assert body["tags"] == [{"name": "new"}, {"name": "old"}]

    async def test_what_is_empty_is_not_there(self, client: Client) -> None:
        await made(client)
        assert (await ask(client, "GET", "/OS::A", 200)).keys() == SCALARS

    async def test_properties_are_named_as_on_the_resource_type(self, client: Client) -> None:
        await ask(client, "POST", "", 201, WHOLE)
        plain = await ask(client, "GET", "/OS::A", 200)
        body = await ask(client, "GET", "/OS::A?resource_type=OS::Nova::Flavor", 200)
        assert body["properties"] == {f"hw:{name}": each for name, each in plain["properties"].items()}
        assert body["objects"][1]["properties"].keys() == {"hw:c"}
        assert body["objects"][1]["required"] == ["hw:c"]
        unprefixed = {name: body[name] for name in body.keys() - {"properties", "objects"}}
        assert unprefixed == {name: plain[name] for name in plain.keys() - {"properties", "objects"}}
        for query in ("resource_type=OS::Bare", "resource_type=x", "resource_type=", "x=y", "resource_type=%00"):
            assert await ask(client, "GET", f"/OS::A?{query}", 200) == plain

    async def test_visibility_is_checked_and_does_nothing(self, client: Client) -> None:
        await made(client)
        assert "public" in await ask(client, "GET", "/OS::A?visibility=shared", 400)
        await ask(client, "GET", "/OS::A?visibility=public", 200)

    async def test_what_is_not_there_is_404(self, client: Client) -> None:
        await made(client)
        for path in MISSING:
            for method in ("GET", "DELETE"):
                response = await client.request(method, f"{NAMESPACES}{path}", headers=by("admin"))
                assert response.status == 404

    async def test_a_nul_in_a_path_is_400(self, client: Client) -> None:
        for path in ("/%00", "/a%00/tags", "/a/tags/%00", "/a/objects/%ff"):
            await ask(client, "GET", path, 400)


def links(name: str) -> dict[str, str]:
    """Give the links of an object of OS::A."""
    return {"self": f"/v2/metadefs/namespaces/OS::A/objects/{name}", "schema": "/v2/schemas/metadefs/object"}


class TestUpdate:
    async def test_it_replaces_all_fields_and_leaves_what_is_inside(self, client: Client) -> None:
        await ask(client, "POST", "", 201, WHOLE)
        before = await ask(client, "GET", "/OS::A", 200)
        body = await ask(client, "PUT", "/OS::A", 200, {"namespace": "OS::B", "tags": [], "objects": [{"name": "x"}]})
        await valid(client, "namespace", body)
        assert body.keys() == SCALARS
        assert (body["visibility"], body["protected"], body["owner"]) == ("private", False, "operators")
        assert body["created_at"] == before["created_at"]
        await ask(client, "GET", "/OS::A", 404)
        after = await ask(client, "GET", "/OS::B", 200)
        assert {name: after[name] for name in body} == body
        assert after["properties"] == before["properties"]
        assert after["tags"] == before["tags"]
        assert after["objects"][0]["self"] == "/v2/metadefs/namespaces/OS::B/objects/A"

    async def test_a_taken_name_conflicts(self, client: Client) -> None:
        await made(client, "a")
        await made(client, "b")
        await ask(client, "PUT", "/a", 409, {"namespace": "b"})
        await ask(client, "PUT", "/a", 200, {"namespace": "a"})

    async def test_an_invalid_body_goes_before_a_missing_namespace(self, client: Client) -> None:
        await ask(client, "PUT", "/nothing", 400, {})
        await ask(client, "PUT", "/nothing", 404, {"namespace": "a"})


DELETED: Any = ["", "/objects", "/properties", "/tags", "/objects/o", "/properties/p", "/tags/t", "/resource_types/t"]


class TestDelete:
    async def test_all_that_is_inside_goes_but_resource_types(self, client: Client) -> None:
        await ask(client, "POST", "", 201, WHOLE)
        await ask(client, "DELETE", "/OS::A", 204)
        await ask(client, "GET", "/OS::A", 404)
        await ask(client, "DELETE", "/OS::A", 404)
        types = (await ask(client, "GET", "/v2/metadefs/resource_types", 200))["resource_types"]
        assert [each["name"] for each in types] == ["OS::Bare", "OS::Glance::Image", "OS::Nova::Flavor"]

    async def test_a_protected_one_is_safe_until_it_is_unprotected(self, client: Client) -> None:
        await ask(client, "POST", "", 201, WHOLE | {"protected": True})
        for path in (
            *("", "/objects", "/properties", "/tags", "/objects/A", "/properties/cores", "/tags/new"),
            "/resource_types/OS::Bare",
        ):
            assert "protected" in await ask(client, "DELETE", f"/OS::A{path}", 403)
        for path in ("/objects/x", "/properties/x", "/tags/x", "/resource_types/x"):
            await ask(client, "DELETE", f"/OS::A{path}", 404)
        await ask(client, "POST", "/OS::A/objects", 201, {"name": "x"})
        await ask(client, "POST", "/OS::A/tags", 201, {"tags": [{"name": "x"}]})
        await ask(client, "PUT", "/OS::A", 200, {"namespace": "OS::A", "protected": False})
        await ask(client, "DELETE", "/OS::A", 204)

    async def test_a_body_is_refused(self, client: Client) -> None:
        await made(client)
        for path in DELETED:
            assert "body" in await ask(client, "DELETE", f"/OS::A{path}", 400, {})


ALLOWED: Any = [
    ("/v2/metadefs/resource_types", "GET"),
    (NAMESPACES, "GET, POST"),
    (f"{NAMESPACES}/a", "GET, PUT, DELETE"),
    (f"{NAMESPACES}/a/resource_types", "GET, POST"),
    (f"{NAMESPACES}/a/resource_types/b", "DELETE"),
    (f"{NAMESPACES}/a/objects", "GET, POST, DELETE"),
    (f"{NAMESPACES}/a/objects/b", "GET, PUT, DELETE"),
    (f"{NAMESPACES}/a/properties", "GET, POST, DELETE"),
    (f"{NAMESPACES}/a/properties/b", "GET, PUT, DELETE"),
    (f"{NAMESPACES}/a/tags", "GET, POST, DELETE"),
    (f"{NAMESPACES}/a/tags/b", "GET, POST, PUT, DELETE"),
]


GETS: Any = [
    ("", 200),
    ("/a/objects", 200),
    ("/a/tags", 200),
    ("/a/properties/p", 200),
    ("/a", 400),
    ("/a/resource_types", 400),
    ("/a/properties", 400),
    ("/a/objects/o", 400),
    ("/a/tags/t", 400),
    ("/v2/metadefs/resource_types", 400),
    ("/v2/schemas/metadefs/tag", 400),
]


NOTHING: Any = ["", "/", "/resource_types/x", "/namespaces/", "/namespaces/a/", "/x"]


class TestMethods:
    async def test_another_method_is_told_which_there_are(self, client: Client) -> None:
        for path, allowed in ALLOWED:
            response = await client.patch(path, headers=by("admin"))
            assert (response.status, response.headers["Allow"]) == (405, allowed)

    async def test_a_body_with_a_get_is_refused_or_ignored_as_glance_does(self, client: Client) -> None:
        await made(client, "a", properties={"p": FRAGMENT}, objects=[{"name": "o"}], tags=[{"name": "t"}])
        for path, status in GETS:
            await ask(client, "GET", path, status, {"x": 1})

    async def test_nothing_else_is_there(self, client: Client) -> None:
        for path in NOTHING:
            assert (await client.get(f"/v2/metadefs{path}", headers=by("admin"))).status == 404
