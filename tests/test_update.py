"""Change and delete an image (reference sections 2.1, 3.3, 4 and 5), on both drivers."""

import asyncio
import json
from typing import Any

import pytest

from drivers.protocol import ImageStore
from drivers.records import Image, Member
from service.patch import DIALECTS
from tests.callers import OTHER, OWNER, by
from tests.conformance import NEVER, NOW, ONE, UNLIMITED, image
from tests.conftest import Client, Connect

PATH = f"/v2/images/{ONE}"
DRAFT_4, DRAFT_10 = DIALECTS


async def patch(client: Client, *operations: Any, name: str = "ann", kind: str = DRAFT_10, **headers: str) -> Any:
    body = json.dumps(list(operations))
    return await client.patch(PATH, data=body, headers=by(name, Content_Type=kind, **headers))


async def patched(client: Client, *operations: Any, **more: str) -> dict[str, Any]:
    response = await patch(client, *operations, **more)
    assert response.status == 200, await response.text()
    body: dict[str, Any] = await response.json()
    assert body == await (await client.get(PATH, headers=by("admin"))).json()
    return body


def add(name: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": f"/{name}", "value": value}


def replace(name: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": f"/{name}", "value": value}


def remove(name: str) -> dict[str, Any]:
    return {"op": "remove", "path": f"/{name}"}


NO_POINTERS: tuple[Any, ...] = (
    "name",
    "",
    5,
    None,
    [],
    "/name/",
    "//",
    "///a",
    "/a//b",
    "/a/ /b",
    "/~2",
    "/~~01",
    "/a/b",
)


@pytest.fixture
async def ours(store: ImageStore) -> Image:
    """Give an image of ann's project, with one property."""
    ours = image(properties={"here": "1"}, tags=("t",))
    await store.add(ours)
    return ours


@pytest.mark.usefixtures("ours")
class TestOperations:
    """The table of section 5.4."""

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("name", "new"), ("name", None), ("name", ""), ("protected", True), ("os_hidden", True)),
            *(("min_disk", 3), ("min_ram", 2**31 - 1), ("visibility", "private"), ("disk_format", "raw")),
            *(("disk_format", None), ("container_format", "bare"), ("tags", ["a", "b"]), ("here", "2"), ("here", "")),
        ],
    )
    async def test_fields_and_properties_are_set(self, client: Client, name: str, value: Any) -> None:
        for operation in (replace(name, value), add(name, value)):
            assert (await patched(client, operation))[name] == value

    async def test_a_patch_is_one_change(self, client: Client, store: ImageStore) -> None:
        body = await patched(client, add("new", "x"), replace("new", "y"), remove("here"), replace("name", "n"))
        assert (body["new"], body["name"], "here" in body) == ("y", "n", False)
        assert (await store.get(ONE, OWNER)).image.revision == 2

    async def test_a_refused_operation_undoes_the_others(self, client: Client, store: ImageStore, ours: Image) -> None:
        assert (await patch(client, replace("name", "new"), remove("absent"))).status == 409
        assert (await store.get(ONE, OWNER)).image == ours

    @pytest.mark.parametrize("operation", [replace("absent", "x"), remove("absent")], ids=["replace", "remove"])
    async def test_an_absent_property_is_409(self, client: Client, operation: Any) -> None:
        assert (await patch(client, operation)).status == 409

    @pytest.mark.parametrize(
        "name", ["name", "tags", "visibility", "owner", "min_ram", "disk_format", "id", "protected"]
    )
    async def test_a_base_field_may_not_be_removed(self, client: Client, name: str) -> None:
        for caller in ("ann", "admin"):
            assert (await patch(client, remove(name), name=caller)).status == 403

    @pytest.mark.parametrize(
        "name",
        [
            *("status", "size", "virtual_size", "checksum", "created_at", "updated_at", "os_hash_algo"),
            *("os_hash_value", "self", "file", "schema", "direct_url", "stores", "id"),
            *("location", "deleted", "deleted_at", "os_glance", "os_glance_import_task"),
        ],
    )
    async def test_what_only_the_service_sets_is_403_even_for_admins(self, client: Client, name: str) -> None:
        value: Any = {"size": 1, "virtual_size": 1, "status": "active", "id": NEVER}.get(name, "x")
        for operation in (add(name, value), replace(name, value), remove(name)):
            assert (await patch(client, operation, name="admin")).status == 403

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("name", 5), ("name", "x" * 256), ("tags", None), ("tags", "a"), ("min_ram", None), ("min_ram", -1)),
            *(("min_disk", 2**31), ("min_disk", True), ("visibility", "x"), ("disk_format", "x"), ("protected", 0)),
            *(("here", None), ("here", 5), ("here", []), ("x" * 256, "v"), ("nul", "\0"), ("nul\0", "v")),
        ],
    )
    async def test_a_value_the_schema_refuses_is_400(self, client: Client, name: str, value: Any) -> None:
        assert (await patch(client, add(name, value))).status == 400

    @pytest.mark.parametrize(
        "name", ["extra_properties", "image_id", "member", "delete", "base", "properties", "revision"]
    )
    async def test_names_that_are_special_inside_are_ordinary_properties(self, client: Client, name: str) -> None:
        assert (await patched(client, add(name, "x")))[name] == "x"

    async def test_a_name_may_hold_slashes_and_tildes(self, client: Client) -> None:
        assert (await patched(client, add("a~1b~0c", "x")))["a/b~c"] == "x"

    async def test_the_owner_changes_by_admins_only(self, client: Client, store: ImageStore) -> None:
        for operation in (add("owner", OTHER), replace("owner", OWNER)):
            assert (await patch(client, operation)).status == 403
        assert (await store.get(ONE, OWNER)).image.owner == OWNER
        assert (await patched(client, replace("owner", OTHER), name="admin"))["owner"] == OTHER

    async def test_visibility_has_policies_of_its_own(self, client: Client) -> None:
        assert (await patch(client, replace("visibility", "public"))).status == 403
        assert (await patched(client, replace("visibility", "community")))["visibility"] == "community"
        assert (await patched(client, replace("visibility", "public"), name="admin"))["visibility"] == "public"

    async def test_an_empty_patch_changes_nothing_for_anybody_who_sees_the_image(
        self, client: Client, store: ImageStore
    ) -> None:
        assert (await patch(client, name="rita")).status == 200
        assert (await patch(client, name="bob")).status == 404
        assert (await store.get(ONE, OWNER)).image.revision == 1

    async def test_locations_need_the_option(self, connect: Connect, client: Client) -> None:
        location = add("locations/-", {"url": "http://x/y", "metadata": {}})
        assert (await patch(client, location)).status == 403
        assert (await patch(await connect(show_multiple_locations=True), location)).status == 400


@pytest.mark.usefixtures("ours")
class TestDialects:
    """The two media types of section 5.1."""

    @pytest.mark.parametrize("kind", [None, "application/json", "application/json-patch+json", "text/plain"])
    async def test_any_other_type_is_415_and_names_the_two(self, client: Client, kind: str | None) -> None:
        response = await client.patch(PATH, data=b"[]", headers=by("ann", **({"Content-Type": kind} if kind else {})))
        assert response.status == 415
        assert response.headers["Accept-Patch"] == f"{DRAFT_4}, {DRAFT_10}"

    async def test_parameters_of_the_type_are_ignored(self, client: Client) -> None:
        assert (await patched(client, replace("name", "x"), kind=f"{DRAFT_10}; charset=utf-8"))["name"] == "x"

    async def test_the_older_dialect_names_its_operation_by_a_member(self, client: Client) -> None:
        body = await patched(
            client, {"replace": "/name", "value": "n"}, {"add": "/p", "value": "v"}, {"remove": "/here"}, kind=DRAFT_4
        )
        assert (body["name"], body["p"], "here" in body) == ("n", "v", False)

    @pytest.mark.parametrize("name", ["name", "here", "tags"])
    async def test_in_the_older_dialect_add_to_what_is_there_is_409(self, client: Client, name: str) -> None:
        value: Any = ["x"] if name == "tags" else "x"
        assert (await patch(client, {"add": f"/{name}", "value": value}, kind=DRAFT_4)).status == 409

    async def test_neither_dialect_reads_the_other(self, client: Client) -> None:
        assert (await patch(client, replace("name", "x"), kind=DRAFT_4)).status == 400
        assert (await patch(client, {"replace": "/name", "value": "x"}, kind=DRAFT_10)).status == 400

    @pytest.mark.parametrize(
        "operation",
        [
            *({}, [], "x", 5, None, {"op": "test", "path": "/name"}, {"op": "move", "path": "/name", "from": "/x"}),
            *({"op": "add", "path": "/x"}, {"op": "add", "value": "x"}, {"op": ["add"], "path": "/x", "value": "x"}),
            *({"op": "add", "value": "x", "path": path} for path in NO_POINTERS),
            *(add("", "x") | {"path": path} for path in ("/tags/-", "/tags/0", "/name/x", "/locations", "/ /")),
            {"op": "replace", "path": "/locations/0", "value": []},
        ],
        ids=repr,
    )
    async def test_what_is_no_operation_is_400(self, client: Client, operation: Any) -> None:
        assert (await patch(client, operation)).status == 400

    @pytest.mark.parametrize("raw", [b"", b"{}", b"null", b"x", b"5"])
    async def test_what_is_no_patch_is_400(self, client: Client, raw: bytes) -> None:
        response = await client.patch(PATH, data=raw, headers=by("ann", Content_Type=DRAFT_10))
        assert response.status == 400

    async def test_two_operations_in_one_are_400(self, client: Client) -> None:
        assert (await patch(client, {"add": "/a", "replace": "/a", "value": "x"}, kind=DRAFT_4)).status == 400


class TestWhoMay:
    """404 for who may not know of the image, 403 for who may (section 0.3)."""

    @pytest.mark.parametrize(
        ("visibility", "bob"), [("public", 403), ("community", 403), ("shared", 404), ("private", 404)]
    )
    async def test_another_project_may_not(self, client: Client, store: ImageStore, visibility: Any, bob: int) -> None:
        await store.add(image(visibility=visibility, tags=("t",), status="active"))
        answers = [
            await patch(client, replace("name", "x"), name="bob"),
            await client.delete(PATH, headers=by("bob")),
            await client.put(f"{PATH}/tags/x", headers=by("bob")),
            await client.delete(f"{PATH}/tags/t", headers=by("bob")),
            await client.post(f"{PATH}/actions/deactivate", headers=by("bob")),
            await client.post(f"{PATH}/actions/reactivate", headers=by("bob")),
        ]
        assert [answer.status for answer in answers] == [bob] * len(answers)
        assert (await store.get(ONE, OWNER)).image.revision == 1

    async def test_a_member_sees_and_may_not_change(self, client: Client, store: ImageStore) -> None:
        await store.add(image())
        member = Member(image_id=ONE, member_id=OTHER, created_at=NOW, updated_at=NOW)
        await store.add_member(member, quota=UNLIMITED)
        assert (await patch(client, replace("name", "x"), name="bob")).status == 403

    @pytest.mark.usefixtures("ours")
    async def test_a_reader_of_the_owners_project_may_not(self, client: Client) -> None:
        assert (await patch(client, replace("name", "x"), name="rita")).status == 403

    async def test_a_bad_patch_is_told_before_the_image_is_looked_for(self, client: Client) -> None:
        assert (await patch(client, replace("name", 5))).status == 400
        assert (await patch(client, replace("size", 5))).status == 403
        assert (await patch(client, replace("name", "x"))).status == 404


class TestFormats:
    """Formats are settled once data may be there (section 4)."""

    @pytest.mark.parametrize("status", ["active", "saving", "uploading", "deactivated"])
    async def test_they_change_only_while_queued(self, client: Client, store: ImageStore, status: Any) -> None:
        await store.add(image(status=status, disk_format="raw", container_format="bare"))
        for name, value in (("disk_format", "raw"), ("container_format", "ovf")):
            assert (await patch(client, replace(name, value))).status == 403


class TestQuotas:
    """Counts (section 7)."""

    async def test_a_new_property_over_the_quota_is_413_and_an_old_one_is_not(
        self, connect: Connect, store: ImageStore
    ) -> None:
        await store.add(image(properties={"a": "", "b": "", "c": ""}))
        client = await connect(image_property_quota=2)
        assert (await patched(client, replace("a", "x")))["a"] == "x"
        assert (await patched(client, remove("b")))["a"] == "x"
        assert (await patch(client, add("new", "x"))).status == 413
        assert (await patched(client, remove("a"), add("new", "x")))["new"] == "x"

    async def test_the_services_own_properties_do_not_count(self, connect: Connect, store: ImageStore) -> None:
        await store.add(image(properties={"os_glance_failed_import": ""}))
        client = await connect(image_property_quota=1)
        assert (await patched(client, add("mine", "x")))["os_glance_failed_import"] == ""

    async def test_tags_over_the_quota_are_413(self, connect: Connect, store: ImageStore) -> None:
        await store.add(image(tags=("a",)))
        client = await connect(image_tag_quota=1)
        assert (await patch(client, replace("tags", ["a", "b"]))).status == 413
        assert (await client.put(f"{PATH}/tags/b", headers=by("ann"))).status == 413
        assert (await client.put(f"{PATH}/tags/a", headers=by("ann"))).status == 204


class TestConcurrency:
    """No change is lost (revisions), and who insists on a revision is told (RFC 9110)."""

    async def test_fifty_patches_of_fifty_properties_all_survive(self, client: Client, store: ImageStore) -> None:
        await store.add(image())
        answers = await asyncio.gather(*(patch(client, add(f"p{n}", str(n))) for n in range(50)))
        assert [answer.status for answer in answers] == [200] * 50
        stored = (await store.get(ONE, OWNER)).image
        assert stored.properties == {f"p{n}": str(n) for n in range(50)}
        assert stored.revision == 51

    async def test_fifty_tags_at_once_all_stay(self, client: Client, store: ImageStore) -> None:
        await store.add(image())
        answers = await asyncio.gather(*(client.put(f"{PATH}/tags/t{n}", headers=by("ann")) for n in range(50)))
        assert [answer.status for answer in answers] == [204] * 50
        assert len((await store.get(ONE, OWNER)).image.tags) == 50

    async def test_of_fifty_deletes_one_finds_the_image(self, client: Client, store: ImageStore) -> None:
        await store.add(image())
        answers = await asyncio.gather(*(client.delete(PATH, headers=by("ann")) for _ in range(50)))
        assert sorted(answer.status for answer in answers) == [204] + [404] * 49

    @pytest.mark.usefixtures("ours")
    async def test_a_stale_if_match_is_412_and_changes_nothing(self, client: Client, store: ImageStore) -> None:
        stale = (await client.get(PATH, headers=by("ann"))).headers["ETag"]
        fresh = (await patch(client, replace("name", "x"), If_Match=stale)).headers["ETag"]
        assert (await patch(client, replace("name", "y"), If_Match=stale)).status == 412
        assert (await patch(client, replace("name", "y"), If_Match=f"W/{fresh}")).status == 412
        assert (await client.delete(PATH, headers=by("ann", If_Match=stale))).status == 412
        assert (await store.get(ONE, OWNER)).image.name == "x"
        assert (await client.delete(PATH, headers=by("ann", If_Match=f'"other", {fresh}'))).status == 204

    @pytest.mark.usefixtures("ours")
    @pytest.mark.parametrize("condition", ["{}x", "x{}", "{} {}", "{}, x", '{}, "', "{};", "**", "", ","])
    async def test_an_if_match_that_is_no_list_of_tags_matches_nothing(self, client: Client, condition: str) -> None:
        fresh = (await client.get(PATH, headers=by("ann"))).headers["ETag"]
        condition = condition.format(fresh, fresh)
        assert (await patch(client, replace("name", "x"), If_Match=condition)).status == 412
        assert (await client.delete(PATH, headers=by("ann", If_Match=condition))).status == 412

    @pytest.mark.usefixtures("ours")
    async def test_any_image_matches_a_star(self, client: Client) -> None:
        assert (await patch(client, replace("name", "x"), If_Match="*")).status == 200


class TestDelete:
    """Delete (section 2.1)."""

    @pytest.mark.parametrize("status", ["queued", "saving", "uploading", "importing", "active", "deactivated"])
    async def test_any_status_will_do(self, client: Client, store: ImageStore, status: Any) -> None:
        await store.add(image(status=status))
        response = await client.delete(PATH, headers=by("ann"))
        assert (response.status, await response.read()) == (204, b"")
        assert (await client.get(PATH, headers=by("ann"))).status == 404
        assert (await client.delete(PATH, headers=by("ann"))).status == 404

    async def test_a_protected_image_stays_for_admins_too(self, client: Client, store: ImageStore) -> None:
        await store.add(image(protected=True))
        for name in ("ann", "admin"):
            assert (await client.delete(PATH, headers=by(name))).status == 403
        assert (await patch(client, replace("protected", False))).status == 200
        assert (await client.delete(PATH, headers=by("ann"))).status == 204

    @pytest.mark.usefixtures("ours")
    async def test_a_body_is_400(self, client: Client) -> None:
        assert (await client.delete(PATH, data=b"{}", headers=by("ann"))).status == 400
