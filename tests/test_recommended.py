"""What Glance gets wrong by accident and we do not copy, where no other story tells it; on both drivers."""

from typing import Any

import pytest
from yarl import URL

from drivers.protocol import ImageStore
from service.patch import DIALECTS
from service.tokens.static import StaticVerifier
from tests.callers import OWNER, by, caller
from tests.conformance import ONE, TWO, image, numbered
from tests.conftest import Client, Connect

PATH = f"/v2/images/{ONE}"
DRAFT_4, DRAFT_10 = DIALECTS
ASTRAL = "😀🦆"


async def patch(client: Client, *operations: dict[str, Any], name: str = "ann", kind: str = DRAFT_10) -> Any:
    return await client.patch(PATH, json=operations, headers=by(name, Content_Type=kind))


async def test_a_token_without_a_project_shows_what_is_public_and_neither_lists_nor_creates(
    connect: Connect, store: ImageStore
) -> None:
    nowhere = caller("eve", None, "member", "reader", scope="unscoped")
    client = await connect(StaticVerifier({"token-of-eve": nowhere}))
    for number, visibility, shown in ((1, "public", 200), (2, "private", 404)):
        await store.add(image(numbered(number), owner="", visibility=visibility))
        assert (await client.get(f"/v2/images/{numbered(number)}", headers=by("eve"))).status == shown
    assert (await client.get("/v2/images", headers=by("eve"))).status == 403
    for body in ({}, {"owner": None}, {"owner": "p1"}):
        assert (await client.post("/v2/images", json=body, headers=by("eve"))).status == 403


async def test_an_image_without_an_owner_is_shown_to_all_listed_for_none_and_changed_by_admins(
    client: Client, store: ImageStore
) -> None:
    await store.add(image(owner=None))
    assert (await client.get(PATH, headers=by("bob"))).status == 200
    assert (await (await client.get("/v2/images", headers=by("bob"))).json())["images"] == []
    change = {"op": "replace", "path": "/name", "value": "n"}
    assert (await patch(client, change, name="bob")).status == 403
    assert (await client.delete(PATH, headers=by("bob"))).status == 403
    assert (await patch(client, change, name="admin")).status == 200


async def test_characters_beyond_the_first_65536_are_welcome_in_every_text(client: Client) -> None:
    body = {"id": ONE, "name": ASTRAL, "tags": [ASTRAL], ASTRAL: ASTRAL}
    response = await client.post("/v2/images", json=body, headers=by("ann"))
    assert (await response.json()).items() >= body.items()
    assert (await patch(client, {"op": "add", "path": "/later", "value": ASTRAL})).status == 200
    assert (await client.put(f"{PATH}/tags/later{ASTRAL}", headers=by("ann"))).status == 204
    assert (await client.post(f"{PATH}/members", json={"member": ASTRAL}, headers=by("ann"))).status == 200
    assert (await client.get(f"{PATH}/members/{ASTRAL}", headers=by("ann"))).status == 200
    for name, value in (("name", ASTRAL), ("tag", f"later{ASTRAL}"), (ASTRAL, ASTRAL), ("later", ASTRAL)):
        listed = await client.get(URL("/v2/images").with_query({name: value}), headers=by("ann"))
        assert [each["id"] for each in (await listed.json())["images"]] == [ONE]


@pytest.mark.parametrize("kind", DIALECTS)
async def test_a_property_name_is_as_long_in_a_patch_as_in_a_create(
    client: Client, store: ImageStore, kind: str
) -> None:
    await store.add(image())
    for length, created, patched in ((255, 201, 200), (256, 400, 400)):
        name = "x" * length
        assert (await client.post("/v2/images", json={name: "v"}, headers=by("ann"))).status == created
        operation = {DRAFT_10: {"op": "add", "path": f"/{name}"}, DRAFT_4: {"add": f"/{name}"}}[kind]
        assert (await patch(client, operation | {"value": "v"}, kind=kind)).status == patched


async def test_a_property_may_have_the_empty_name(client: Client, store: ImageStore) -> None:
    assert (await client.post("/v2/images", json={"id": ONE, "": "made"}, headers=by("ann"))).status == 201
    assert (await (await patch(client, {"op": "replace", "path": "/", "value": "changed"})).json())[""] == "changed"
    assert "" not in await (await patch(client, {"op": "remove", "path": "/"})).json()
    assert (await store.get(ONE, OWNER)).image.properties == {}


async def test_a_refused_create_takes_neither_the_id_nor_a_row(client: Client, store: ImageStore) -> None:
    for refused in ({"tags": ["\0"]}, {"tags": ["x"] * 3 + ["y" * 256]}, {"tags": [str(n) for n in range(129)]}):
        response = await client.post("/v2/images", json={"id": numbered(7), **refused}, headers=by("ann"))
        assert response.status in {400, 413}
    assert (await store.usage(OWNER)).images == 0
    assert (await client.post("/v2/images", json={"id": numbered(7)}, headers=by("ann"))).status == 201


async def test_an_empty_answer_claims_no_type(client: Client, store: ImageStore) -> None:
    await store.add(image(status="active"))
    await store.add(image(TWO))
    for method, path in (
        ("PUT", f"{PATH}/tags/t"),
        ("POST", f"{PATH}/actions/deactivate"),
        ("DELETE", f"/v2/images/{TWO}"),
    ):
        response = await client.request(method, path, headers=by("ann"))
        assert response.status == 204
        assert "Content-Type" not in response.headers
