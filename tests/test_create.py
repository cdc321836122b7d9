"""Create an image (reference sections 2.1 and 3), on both drivers."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from drivers.protocol import ImageStore
from drivers.usage import Usage
from tests.callers import OTHER, OWNER, by
from tests.conformance import LATER, ONE, image
from tests.conftest import Client, Connect


async def created(client: Client, body: Any, name: str = "ann") -> dict[str, Any]:
    response = await client.post("/v2/images", json=body, headers=by(name))
    assert response.status == 201, await response.text()
    image: dict[str, Any] = await response.json()
    return image


async def refused(client: Client, body: Any, status: int, name: str = "ann") -> str:
    response = await client.post("/v2/images", json=body, headers=by(name, Accept="application/json"))
    assert response.status == status, await response.text()
    message: str = (await response.json())["message"]
    return message


async def test_an_empty_object_makes_an_image_with_defaults(client: Client) -> None:
    body = await created(client, {})
    assert body["created_at"] == body["updated_at"]
    defaults: dict[str, Any] = {
        "status": "queued",
        "visibility": "shared",
        "owner": OWNER,
        "tags": [],
        "name": None,
        "min_disk": 0,
    }
    assert body.items() >= defaults.items()


async def test_every_field_a_caller_may_set_is_kept(client: Client) -> None:
    wanted = {
        "id": ONE,
        "name": "Çirros ☃ 😀",
        "visibility": "community",
        "protected": True,
        "os_hidden": True,
        "container_format": "bare",
        "disk_format": "qcow2",
        "min_disk": 1,
        "min_ram": 2**31 - 1,
        "owner": OWNER,
        "os_distro": "linux",
        "empty": "",
        "long": "x" * 100_000,
    }
    body = await created(client, wanted | {"tags": ["b", "a", "b", ""]})
    assert body.items() >= wanted.items()
    assert body["tags"] == ["", "a", "b"]
    response = await client.get(body["self"], headers=by("ann"))
    assert await response.json() == body


async def test_the_location_is_absolute_and_leads_to_the_image(client: Client) -> None:
    response = await client.post("/v2/images", data=b"{}", headers=by("ann", Content_Type="text/plain"))
    path = (await response.json())["self"]
    assert response.headers["Location"] == str(client.make_url(path))
    assert (await client.get(path, headers=by("ann"))).headers["ETag"] == response.headers["ETag"]


async def test_a_whole_number_written_with_a_point_is_one(client: Client) -> None:
    response = await client.post("/v2/images", data=b'{"min_disk": 1.0}', headers=by("ann"))
    assert '"min_disk":1,' in await response.text()


@pytest.mark.parametrize(
    "body",
    [
        {"name": 1},
        {"name": "x" * 256},
        {"visibility": "secret"},
        {"visibility": None},
        {"protected": "true"},
        {"protected": 1},
        {"os_hidden": None},
        {"tags": "a"},
        {"tags": ["x" * 256]},
        {"tags": [None]},
        {"owner": 5},
        {"owner": "x" * 256},
        {"container_format": "box"},
        {"disk_format": ""},
        {"min_disk": "1"},
        {"min_disk": True},
        {"min_ram": 1.5},
        {"min_ram": None},
        {"min_ram": -1},
        {"min_disk": 2**31},
        {"id": "x"},
        {"id": f"{ONE}\n"},
        {"id": None},
        {"size": "x"},
        {"status": 5},
        {"property": 1},
        {"property": None},
        {"property": ["a"]},
        {"property": {"a": "b"}},
        {"x" * 256: "too long a name"},
        {"nul": "a\0b"},
        {"nul\0": "a"},
        {"tags": ["\0"]},
    ],
    ids=repr,
)
async def test_a_value_the_schema_refuses_is_400(client: Client, store: ImageStore, body: dict[str, Any]) -> None:
    message = await refused(client, body, 400)
    assert len(message) < 1000
    assert await store.usage(OWNER) == Usage()


@pytest.mark.parametrize(
    "name",
    [
        *("created_at", "updated_at", "status", "checksum", "size", "virtual_size", "os_hash_algo", "os_hash_value"),
        *("direct_url", "self", "file", "schema", "stores"),
        *("location", "deleted", "deleted_at", "os_glance", "os_glanceblah", "os_glance_import_task"),
    ],
)
async def test_what_only_the_service_sets_is_403(client: Client, name: str) -> None:
    values: dict[str, Any] = {"size": 5, "virtual_size": 5, "status": "active"}
    await refused(client, {name: values.get(name, "x")}, 403)


async def test_links_are_refused_before_their_types_are_looked_at(client: Client) -> None:
    await refused(client, {"self": 5, "name": 5}, 403)


async def test_locations_are_reserved(client: Client) -> None:
    await refused(client, {"locations": []}, 403)


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"{", b"nul", b"1", b'"x"', b"null", b"[]", b"[1]", b"\xff\xfe", b'{"a": "\xff"}', b'{"a": NaN}'),
        *('{"a": "b"}'.encode("utf-16"), b'{"a": "\\ud800"}', b"[" * 100_000, b'{"min_disk": 1e400}'),
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        *(b'{"a":' + b"[" * depth + b"]" * depth + b"}" for depth in (33, 900, 980, 985, 990)),
    ],
    ids=lambda raw: repr(raw[:16]),
)
async def test_a_body_that_is_no_json_object_is_400(client: Client, raw: bytes) -> None:
    response = await client.post("/v2/images", data=raw, headers=by("ann", Content_Type="application/json"))
    assert response.status == 400


async def test_a_body_over_the_limit_is_413(connect: Connect) -> None:
    client = await connect(body_limit=1000)
    await refused(client, {"a": "x" * 1000}, 413)


async def test_a_body_that_does_not_arrive_is_408(connect: Connect) -> None:
    client = await connect(request_seconds=0.2)

    async def half() -> AsyncIterator[bytes]:
        yield b'{"name": '
        await asyncio.sleep(60)

    response = await client.post("/v2/images", data=half(), headers=by("ann"))
    assert response.status == 408
    assert (await (await client.get("/v2/images", headers=by("ann"))).json())["images"] == []


async def test_a_body_that_is_not_encoded_as_it_says_is_400(client: Client) -> None:
    response = await client.post("/v2/images", data=b"{}", headers=by("ann", Content_Encoding="gzip"))
    assert response.status == 400


async def test_of_duplicate_names_the_last_counts(client: Client) -> None:
    response = await client.post("/v2/images", data=b'{"name": "first", "name": "last"}', headers=by("ann"))
    assert (await response.json())["name"] == "last"


class TestIds:
    """Ids are the caller's to choose, once."""

    async def test_a_taken_id_is_409(self, client: Client) -> None:
        await created(client, {"id": ONE})
        await refused(client, {"id": ONE}, 409)

    async def test_a_deleted_id_is_409(self, client: Client, store: ImageStore) -> None:
        await store.add(image())
        await store.delete(ONE, 1, LATER)
        await refused(client, {"id": ONE}, 409)

    async def test_of_fifty_creators_of_one_id_one_wins(self, client: Client) -> None:
        posts = [client.post("/v2/images", json={"id": ONE}, headers=by("ann")) for _ in range(50)]
        statuses = [response.status for response in await asyncio.gather(*posts)]
        assert sorted(statuses) == [201] + [409] * 49


class TestWhoMay:
    """Policies of create: add_image, publicize_image, communitize_image, and the owner."""

    @pytest.mark.parametrize("name", ["rita", "nobody", "sys"])
    async def test_who_is_no_member_of_a_project_may_not(self, client: Client, name: str) -> None:
        await refused(client, {}, 403, name)

    async def test_only_admins_publicize(self, client: Client) -> None:
        await refused(client, {"visibility": "public"}, 403)
        assert (await created(client, {"visibility": "public"}, "admin"))["visibility"] == "public"

    @pytest.mark.parametrize("owner", [OTHER, "someoneelse", "", None])
    async def test_an_image_is_made_for_another_project_by_admins_only(self, client: Client, owner: str | None) -> None:
        message = await refused(client, {"owner": owner}, 403)
        assert f"You are not permitted to create images owned by '{owner}'" in message
        assert (await created(client, {"owner": owner}, "admin"))["owner"] == owner

    async def test_a_schema_error_comes_before_policy_and_a_read_only_field_after(self, client: Client) -> None:
        await refused(client, {"name": 5}, 400, "rita")
        assert "add_image" in await refused(client, {"size": 5}, 403, "rita")


class TestQuotas:
    """Counts of properties and tags (reference section 7)."""

    async def test_properties(self, connect: Connect) -> None:
        client = await connect(image_property_quota=2)
        await created(client, {"a": "", "b": ""})
        await refused(client, {"a": "", "b": "", "c": ""}, 413)

    async def test_tags_are_counted_without_repetitions(self, connect: Connect) -> None:
        client = await connect(image_tag_quota=2)
        await created(client, {"tags": ["a", "b", "a"]})
        await refused(client, {"tags": ["a", "b", "c"]}, 413)

    async def test_a_negative_quota_has_no_end(self, connect: Connect) -> None:
        client = await connect(image_property_quota=-1, image_tag_quota=-1)
        await created(client, {f"p{n}": "" for n in range(500)} | {"tags": [f"t{n}" for n in range(500)]})
