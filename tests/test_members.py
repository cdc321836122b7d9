"""Members of an image: sharing, answering, and who may know of whom (reference section 2.6), on both drivers."""

import asyncio
from typing import Any

import pytest

from drivers.protocol import ImageStore
from drivers.records import Member
from service.tokens.static import StaticVerifier
from tests.callers import CALLERS, OTHER, OWNER, by, caller
from tests.conformance import NOW, ONE, UNLIMITED, image
from tests.conftest import Client, Connect

PATH = f"/v2/images/{ONE}"
MEMBERS = f"{PATH}/members"
CARL = {"X-Auth-Token": "token-of-carl"}


def with_carl() -> StaticVerifier:
    """Know one more project, p3, besides the usual people."""
    people = {f"token-of-{name}": each for name, each in CALLERS.items()}
    return StaticVerifier(people | {"token-of-carl": caller("carl", "p3", "member", "reader")})


@pytest.fixture
async def client(connect: Connect) -> Client:
    """Give a client of an application that also knows carl."""
    return await connect(verifier=with_carl())


@pytest.fixture
async def shared(store: ImageStore) -> None:
    """Share ann's image with bob's project and with carl's."""
    await store.add(image(visibility="shared"))
    for project in (OTHER, "p3"):
        member = Member(image_id=ONE, member_id=project, created_at=NOW, updated_at=NOW)
        await store.add_member(member, quota=UNLIMITED)


async def test_the_story_of_a_shared_image(client: Client, store: ImageStore) -> None:
    await store.add(image(visibility="shared"))
    assert (await client.get(PATH, headers=by("bob"))).status == 404

    offered = await client.post(MEMBERS, json={"member": OTHER, "ignored": 1}, headers=by("ann"))
    assert offered.status == 200
    body = await offered.json()
    assert body.items() >= {"member_id": OTHER, "image_id": ONE, "status": "pending"}.items()
    assert body["schema"] == "/v2/schemas/member"
    assert body["created_at"] == body["updated_at"]
    assert body["created_at"].endswith("Z")

    assert (await client.get(PATH, headers=by("bob"))).status == 200
    accepted = await client.put(f"{MEMBERS}/{OTHER}", json={"status": "accepted"}, headers=by("bob"))
    assert (accepted.status, (await accepted.json())["status"]) == (200, "accepted")
    listed = await (await client.get(MEMBERS, headers=by("ann"))).json()
    assert listed == {"members": [await accepted.json()], "schema": "/v2/schemas/members"}
    assert await (await client.get(f"{MEMBERS}/{OTHER}", headers=by("bob"))).json() == await accepted.json()

    removed = await client.delete(f"{MEMBERS}/{OTHER}", headers=by("ann"))
    assert (removed.status, await removed.read()) == (204, b"")
    assert (await client.get(PATH, headers=by("bob"))).status == 404
    again = await client.post(MEMBERS, json={"member": OTHER}, headers=by("ann"))
    assert (await again.json())["status"] == "pending"


@pytest.mark.usefixtures("shared")
class TestWhoMay:
    """Every caller against every call, as measured on Glance 33."""

    @pytest.mark.parametrize(
        ("name", "member", "show", "update", "remove"),
        [
            ("ann", OTHER, 200, 403, 204),
            ("ann", "absent", 404, 404, 404),
            ("bob", OTHER, 200, 200, 403),
            ("bob", "p3", 404, 404, 404),
            ("bob", "absent", 404, 404, 404),
            ("rita", OTHER, 200, 403, 403),
            ("admin", OTHER, 200, 200, 204),
        ],
    )
    async def test_one_member(
        self, client: Client, name: str, member: str, show: int, update: int, remove: int
    ) -> None:
        path = f"{MEMBERS}/{member}"
        answers = [
            await client.get(path, headers=by(name)),
            await client.put(path, json={"status": "accepted"}, headers=by(name)),
            await client.delete(path, headers=by(name)),
        ]
        assert [answer.status for answer in answers] == [show, update, remove]

    async def test_the_owner_lists_all_and_a_member_itself(self, client: Client) -> None:
        for name, expected in (("ann", [OTHER, "p3"]), ("admin", [OTHER, "p3"]), ("bob", [OTHER])):
            body = await (await client.get(MEMBERS, headers=by(name))).json()
            assert [each["member_id"] for each in body["members"]] == expected

    async def test_a_member_shares_with_nobody(self, client: Client) -> None:
        assert (await client.post(MEMBERS, json={"member": "p4"}, headers=by("bob"))).status == 403
        assert (await client.post(MEMBERS, json={"member": "p4"}, headers=by("rita"))).status == 403

    async def test_the_answer_may_be_taken_back(self, client: Client) -> None:
        for status in ("rejected", "pending", "accepted"):
            response = await client.put(f"{MEMBERS}/p3", json={"status": status}, headers=CARL)
            assert (await response.json())["status"] == status

    async def test_an_unknown_answer_is_400_but_403_for_who_may_not_answer(self, client: Client) -> None:
        for name, status in (("bob", 400), ("ann", 403)):
            response = await client.put(f"{MEMBERS}/{OTHER}", json={"status": "maybe"}, headers=by(name))
            assert response.status == status
            assert (await client.put(f"{MEMBERS}/{OTHER}", json={}, headers=by(name))).status == 400


@pytest.mark.parametrize("visibility", ["public", "community", "private"])
async def test_only_shared_images_have_members_even_for_admins(
    client: Client, store: ImageStore, visibility: Any
) -> None:
    await store.add(image(visibility=visibility))
    member = Member(image_id=ONE, member_id=OTHER, created_at=NOW, updated_at=NOW)
    await store.add_member(member, quota=UNLIMITED)
    for name in ("ann", "admin"):
        listed = await client.get(MEMBERS, headers=by(name))
        answers = [
            await client.post(MEMBERS, json={"member": "p4"}, headers=by(name)),
            listed,
            await client.get(f"{MEMBERS}/{OTHER}", headers=by(name)),
            await client.put(f"{MEMBERS}/{OTHER}", json={"status": "accepted"}, headers=by(name)),
            await client.delete(f"{MEMBERS}/{OTHER}", headers=by(name)),
        ]
        assert [answer.status for answer in answers] == [403, 403, 404, 403, 403]
        assert "Only shared images have members" in await listed.text()


async def test_memberships_survive_a_change_of_visibility(client: Client, store: ImageStore) -> None:
    await store.add(image(visibility="shared"))
    await client.post(MEMBERS, json={"member": OTHER}, headers=by("ann"))
    for revision, visibility, status in ((1, "private", 404), (2, "shared", 200)):
        await store.save(image(visibility=visibility, revision=revision))
        assert (await client.get(PATH, headers=by("bob"))).status == status


async def test_an_image_out_of_sight_is_404_for_every_call(client: Client, store: ImageStore) -> None:
    await store.add(image(visibility="shared"))
    answers = [
        await client.post(MEMBERS, json={"member": OTHER}, headers=by("bob")),
        await client.get(MEMBERS, headers=by("bob")),
        await client.get(f"{MEMBERS}/{OTHER}", headers=by("bob")),
        await client.put(f"{MEMBERS}/{OTHER}", json={"status": "accepted"}, headers=by("bob")),
        await client.delete(f"{MEMBERS}/{OTHER}", headers=by("bob")),
    ]
    assert [answer.status for answer in answers] == [404] * 5


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize(
    "body", [{}, {"member": ""}, {"member": None}, {"member": 5}, {"member": ["p4"]}, {"member": "x" * 256}, [], "p4"]
)
async def test_what_names_no_project_is_400(client: Client, body: Any) -> None:
    assert (await client.post(MEMBERS, json=body, headers=by("ann"))).status == 400


@pytest.mark.usefixtures("shared")
async def test_a_second_offer_is_409(client: Client) -> None:
    assert (await client.post(MEMBERS, json={"member": OTHER}, headers=by("ann"))).status == 409


async def test_the_owner_may_be_a_member(client: Client, store: ImageStore) -> None:
    await store.add(image(visibility="shared"))
    assert (await client.post(MEMBERS, json={"member": OWNER}, headers=by("ann"))).status == 200


async def test_offers_at_once_never_overshoot_the_quota(connect: Connect, store: ImageStore) -> None:
    await store.add(image(visibility="shared"))
    client = await connect(image_member_quota=3)
    offers = (client.post(MEMBERS, json={"member": f"m{n}"}, headers=by("ann")) for n in range(20))
    statuses = sorted([answer.status for answer in await asyncio.gather(*offers)])
    assert statuses == [200] * 3 + [413] * 17


@pytest.mark.usefixtures("shared")
async def test_calls_without_a_body_refuse_one(client: Client) -> None:
    for method, path in (("GET", MEMBERS), ("GET", f"{MEMBERS}/p3"), ("DELETE", f"{MEMBERS}/p3")):
        assert (await client.request(method, path, data=b"{}", headers=by("ann"))).status == 400
