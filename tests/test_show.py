"""Show an image: the story of the seed document, on both drivers."""

from typing import Any

import pytest
from msgspec.structs import replace
from multidict import CIMultiDict

from drivers.protocol import ImageStore
from drivers.records import Image, Location, Member
from service.demo import CIRROS
from service.policy.engine import load_policy
from tests.callers import OTHER, OWNER, by
from tests.conformance import LATER, NEVER, NOW, ONE, UNLIMITED, full_image, image
from tests.conftest import TWO_STORES, Client, Connect

PATH = f"/v2/images/{ONE}"
LOCATIONS = (
    Location("file:///slow/1", {"store": "slow"}),
    Location("s3://b/2", {"store": "fast", "note": "mine"}),
    Location("http://elsewhere/3", {}),
)
EVERYTHING = {"show_image_direct_url": True, "show_multiple_locations": True, "stores": TWO_STORES}


async def shown(client: Client, name: str, image_id: str = ONE, **headers: str) -> dict[str, Any]:
    response = await client.get(f"/v2/images/{image_id}", headers=by(name, **headers))
    assert response.status == 200
    assert response.headers["Content-Type"] == "application/json"
    body: dict[str, Any] = await response.json()
    return body


async def test_a_new_image_shows_every_base_field_and_null_for_what_is_unset(client: Client, store: ImageStore) -> None:
    await store.add(image())
    assert await shown(client, "ann") == {
        "id": ONE,
        "name": None,
        "status": "queued",
        "visibility": "shared",
        "protected": False,
        "os_hidden": False,
        "owner": OWNER,
        "container_format": None,
        "disk_format": None,
        "min_disk": 0,
        "min_ram": 0,
        "size": None,
        "virtual_size": None,
        "checksum": None,
        "os_hash_algo": None,
        "os_hash_value": None,
        "created_at": "2026-01-28T12:58:17Z",
        "updated_at": "2026-01-28T12:58:17Z",
        "tags": [],
        "self": PATH,
        "file": f"{PATH}/file",
        "schema": "/v2/schemas/image",
    }


async def test_additional_properties_stand_flat_beside_the_fields(client: Client, store: ImageStore) -> None:
    await store.add(full_image())
    body = await shown(client, "ann")
    assert body.items() >= full_image().properties.items()
    assert (body["name"], body["size"], body["tags"]) == ("Çirros ☃ 😀", 2**40, ["", "a b", "ü"])
    assert "properties" not in body


async def test_text_is_sent_as_utf8_and_not_escaped(client: Client, store: ImageStore) -> None:
    await store.add(image(name="é☃"))
    response = await client.get(PATH, headers=by("ann"))
    assert "é☃".encode() in await response.read()


async def test_the_seed_image_is_shown_as_in_the_seed_document(client: Client, store: ImageStore) -> None:
    await store.add(CIRROS)
    body = await shown(client, "bob", CIRROS.id)
    assert body["checksum"] == "443b7623e27ecf03dc9e01ee93f67afe"
    assert body["created_at"] == "2020-01-28T12:58:17Z"
    assert body["trait:CUSTOM_HCI_122E856B9E9C4D80A0F8C21591B5AFCB"] == "required"
    assert (body["size"], body["min_disk"], body["virtual_size"]) == (12716032, 1, None)


class TestWhoSeesIt:
    """The show column of the matrix in reference section 3.5, and the gates of section 0.3."""

    @pytest.mark.parametrize(
        ("visibility", "ann", "bob", "admin"),
        [
            ("public", 200, 200, 200),
            ("community", 200, 200, 200),
            ("shared", 200, 404, 200),
            ("private", 200, 404, 200),
        ],
    )
    async def test_visibility_decides(
        self, client: Client, store: ImageStore, visibility: str, ann: int, bob: int, admin: int
    ) -> None:
        await store.add(image(visibility=visibility))
        answers = [await client.get(PATH, headers=by(name)) for name in ("ann", "bob", "admin")]
        assert [answer.status for answer in answers] == [ann, bob, admin]

    @pytest.mark.parametrize("status", ["pending", "accepted", "rejected"])
    async def test_a_member_sees_a_shared_image_whatever_it_answered(
        self, client: Client, store: ImageStore, status: Any
    ) -> None:
        await store.add(image(visibility="shared"))
        member = Member(image_id=ONE, member_id=OTHER, status=status, created_at=NOW, updated_at=NOW)
        await store.add_member(member, quota=UNLIMITED)
        assert (await shown(client, "bob"))["owner"] == OWNER

    async def test_a_membership_means_nothing_on_a_private_image(self, client: Client, store: ImageStore) -> None:
        await store.add(image(visibility="private"))
        member = Member(image_id=ONE, member_id=OTHER, status="accepted", created_at=NOW, updated_at=NOW)
        await store.add_member(member, quota=UNLIMITED)
        assert (await client.get(PATH, headers=by("bob"))).status == 404

    async def test_a_hidden_image_is_shown_to_who_knows_its_id(self, client: Client, store: ImageStore) -> None:
        await store.add(image(os_hidden=True))
        assert (await shown(client, "ann"))["os_hidden"] is True

    async def test_a_token_with_only_the_member_role_is_told_not_found(self, client: Client, store: ImageStore) -> None:
        await store.add(image(visibility="public"))
        assert (await client.get(PATH, headers=by("mona"))).status == 404

    async def test_a_token_without_project_or_roles_sees_nothing(self, client: Client, store: ImageStore) -> None:
        await store.add(image(visibility="public", owner=None))
        assert (await client.get(PATH, headers=by("nobody"))).status == 404

    async def test_a_system_token_finds_no_image(self, client: Client, store: ImageStore) -> None:
        await store.add(image(visibility="public"))
        assert (await client.get(PATH, headers=by("sys"))).status == 404

    async def test_a_deleted_image_is_found_by_nobody(self, client: Client, store: ImageStore) -> None:
        await store.add(image())
        await store.delete(ONE, 1, LATER)
        assert (await client.get(PATH, headers=by("admin"))).status == 404


class TestLocations:
    """`direct_url`, `locations` and `stores` (reference section 3.4; OSSN-0090)."""

    @pytest.fixture
    async def active(self, store: ImageStore) -> Image:
        active = image(status="active", visibility="public", size=1, locations=LOCATIONS)
        await store.add(active)
        return active

    async def test_they_are_absent_by_default_even_for_admins(self, client: Client, active: Image) -> None:
        assert not {"locations", "direct_url", "stores"} & (await shown(client, "admin")).keys()

    @pytest.mark.parametrize(
        ("option", "field"),
        [
            ("show_image_direct_url", "direct_url"),
            ("show_multiple_locations", "locations"),
            ("stores", "stores"),
        ],
    )
    async def test_each_option_shows_one_of_them(
        self, connect: Connect, active: Image, option: str, field: str
    ) -> None:
        body = await shown(await connect(**{option: EVERYTHING[option]}), "ann")
        assert {"locations", "direct_url", "stores"} & body.keys() == {field}

    async def test_the_owner_sees_them_those_of_the_heaviest_store_first(self, connect: Connect, active: Image) -> None:
        body = await shown(await connect(**EVERYTHING), "ann")
        assert body["direct_url"] == "s3://b/2"
        assert body["stores"] == "fast,slow"
        slow, fast, elsewhere = [{"url": each.url, "metadata": each.metadata} for each in LOCATIONS]
        assert body["locations"] == [fast, slow, elsewhere]

    async def test_who_fails_get_image_location_sees_none(self, connect: Connect, active: Image) -> None:
        body = await shown(await connect(**EVERYTHING), "bob")
        assert not {"locations", "direct_url", "stores"} & body.keys()

    async def test_operators_may_show_them_to_all(self, connect: Connect, active: Image, tmp_path: Any) -> None:
        (tmp_path / "policy.yaml").write_text('get_image_location: "@"\n')
        client = await connect(policy=load_policy(str(tmp_path / "policy.yaml")), **EVERYTHING)
        assert (await shown(client, "bob"))["direct_url"] == "s3://b/2"

    async def test_without_data_locations_are_empty_and_the_others_absent(
        self, connect: Connect, store: ImageStore
    ) -> None:
        await store.add(image())
        body = await shown(await connect(**EVERYTHING), "ann")
        assert body["locations"] == []
        assert not {"direct_url", "stores"} & body.keys()

    async def test_deactivated_they_are_shown_to_admins_only(
        self, connect: Connect, store: ImageStore, active: Image
    ) -> None:
        await store.save(replace(active, status="deactivated"))
        client = await connect(**EVERYTHING)
        body = await shown(client, "ann")
        assert body["locations"] == []
        assert not {"direct_url", "stores"} & body.keys()
        assert (await shown(client, "admin"))["direct_url"] == "s3://b/2"


class TestConditions:
    """`ETag` and `If-None-Match` (RFC 9110), an addition."""

    async def test_an_unchanged_image_is_not_sent_again(self, client: Client, store: ImageStore) -> None:
        await store.add(image())
        first = await client.get(PATH, headers=by("ann"))
        again = await client.get(PATH, headers=by("ann", If_None_Match=f'"x", W/{first.headers["ETag"]}'))
        assert (again.status, await again.read()) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
        assert "x-openstack-request-id" in again.headers

    async def test_a_condition_may_come_in_several_lines(self, client: Client, store: ImageStore) -> None:
        await store.add(image())
        tag = (await client.get(PATH, headers=by("ann"))).headers["ETag"]
        lines = [(name, value) for name in ("If-None-Match", "If-Match") for value in ('"x"', tag)]
        headers = CIMultiDict([*by("ann").items(), *lines])
        assert (await client.get(PATH, headers=headers)).status == 304
        assert (await client.delete(PATH, headers=headers)).status == 204

    async def test_a_changed_image_is_sent(self, client: Client, store: ImageStore) -> None:
        await store.add(image())
        first = await client.get(PATH, headers=by("ann"))
        await store.save(image(name="new"))
        assert (await shown(client, "ann", If_None_Match=first.headers["ETag"]))["name"] == "new"

    async def test_callers_who_see_other_fields_get_other_tags(self, connect: Connect, store: ImageStore) -> None:
        await store.add(image(visibility="public", locations=LOCATIONS))
        client = await connect(**EVERYTHING)
        owner = await client.get(PATH, headers=by("ann"))
        assert "direct_url" not in await shown(client, "bob", If_None_Match=owner.headers["ETag"])

    async def test_a_condition_opens_no_door(self, client: Client, store: ImageStore) -> None:
        await store.add(image())
        assert (await client.get(PATH, headers=by("bob", If_None_Match="*"))).status == 404

    async def test_head_answers_like_get_without_the_body(self, client: Client, store: ImageStore) -> None:
        await store.add(image())
        get, head = [await client.request(method, PATH, headers=by("ann")) for method in ("GET", "HEAD")]
        same = ("ETag", "Content-Type", "Content-Length")
        assert [head.headers[name] for name in same] == [get.headers[name] for name in same]
        assert (head.status, await head.read()) == (200, b"")


@pytest.mark.parametrize("image_id", [NEVER, "x", "cirros 0.4", ONE.upper(), "%E2%98%83", "a%2Fb", "x" * 8000])
async def test_an_id_that_is_none_is_not_found(client: Client, store: ImageStore, image_id: str) -> None:
    await store.add(image(visibility="public"))
    response = await client.get(f"/v2/images/{image_id}", headers=by("admin"))
    assert response.status == 404


async def test_every_accepted_version_reaches_the_same_image(client: Client, store: ImageStore) -> None:
    await store.add(image())
    for version in ("v2.0", "v2.7", "v2.17"):
        response = await client.get(f"/{version}/images/{ONE}", headers=by("ann"))
        assert (await response.json())["self"] == PATH
    chosen = by("ann", Accept="application/vnd.openstack.images-v2.3")
    for path in (f"/images/{ONE}", PATH):
        assert (await client.get(path, headers=chosen)).status == 200
