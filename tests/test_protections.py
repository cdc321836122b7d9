"""Property protections (reference section 10.1): how the file is read, and what it does on both drivers."""

from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from drivers.protocol import ImageStore
from service.caller import Caller
from service.policy.engine import Policy, load_policy, refresh
from service.protections import ACTIONS, Protections, read_protections
from service.server import opened_app
from service.settings import Settings, SettingsError
from tests.callers import CALLERS, OWNER, by
from tests.conformance import ONE, image
from tests.conftest import Client, Connect
from tests.processes import environment, vitrine
from tests.test_update import DRAFT_4, DRAFT_10, PATH, add, patch, remove, replace

ANN, ADMIN = CALLERS["ann"], CALLERS["admin"]
Read = Callable[..., Protections]


def section(names: str, create: str, read: str, update: str, delete: str) -> str:
    """Write one section."""
    return f"[{names}]\ncreate = {create}\nread = {read}\nupdate = {update}\ndelete = {delete}\n\n"


def all_four(names: str, who: str) -> str:
    """Write a section that says the same of every action."""
    return section(names, who, who, who, who)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give the path of a file that is not there yet."""
    return tmp_path / "protections.conf"


@pytest.fixture
def read(file: Path) -> Read:
    """Give a function that reads protections from a text."""

    def read(text: str, rule_format: Any = "roles", policy: Policy | None = None) -> Protections:
        return read_protections(written(file, text), rule_format, policy or load_policy(None))

    return read


def written(file: Path, text: str) -> str:
    """Write the file; give its path."""
    file.write_text(text, encoding="utf-8")
    return str(file)


def allowed(protections: Protections, name: str, who: Caller) -> set[str]:
    """Tell what the caller may do to a property."""
    return {action for action in ACTIONS if protections.may(action, name, who)}


class TestSections:
    """Which section decides about a name."""

    def test_without_a_file_everybody_may_all(self) -> None:
        protections = read_protections(None, "roles", load_policy(None))
        assert allowed(protections, "x", ANN) == set(ACTIONS)
        assert protections.unreadable(["x", "y"], ANN) == ()

    def test_a_name_that_no_section_matches_is_nobodys(self, read: Read) -> None:
        assert allowed(read(all_four("^x_", "@")), "y", ADMIN) == set()
        assert allowed(read(""), "y", ADMIN) == set()

    def test_each_action_has_its_own_roles(self, read: Read) -> None:
        protections = read(section("^x_", "member", "reader", "!", "admin"))
        assert allowed(protections, "x_1", ANN) == {"create", "read"}
        assert allowed(protections, "x_1", ADMIN) == {"create", "read", "delete"}

    def test_the_expression_is_searched_anywhere_and_anchors_hold(self, read: Read) -> None:
        protections = read(all_four("bill", "!") + all_four("^x_[a-z]+$", "admin") + all_four("[^!]", "@"))
        assert allowed(protections, "my_billing", ADMIN) == set()
        assert allowed(protections, "x_a", ANN) == set()
        assert allowed(protections, "x_1", ANN) == allowed(protections, "ax_a", ANN) == set(ACTIONS)

    def test_the_first_section_in_the_file_that_matches_decides(self, read: Read) -> None:
        general, special = all_four("x_", "@"), all_four("x_secret", "!")
        assert allowed(read(special + general), "x_secret", ANN) == set()
        assert allowed(read(general + special), "x_secret", ANN) == set(ACTIONS)

    def test_unreadable_names_are_told_in_order(self, read: Read) -> None:
        protections = read(all_four("^x_", "admin") + all_four(".*", "@"))
        assert protections.unreadable(["x_b", "y", "x_a"], ANN) == ("x_a", "x_b")

    def test_what_the_service_keeps_for_itself_is_never_protected(self, read: Read) -> None:
        for text in (
            all_four(".*", "!"),
            all_four("os_glance", "!"),
            all_four("os_glance.*[", "!") + all_four("x", "!"),
        ):
            assert allowed(read(text), "os_glance_failed_import", ANN) == set(ACTIONS)

    def test_a_name_that_merely_holds_os_glance_is_protected(self, read: Read) -> None:
        assert allowed(read(all_four(".*", "admin")), "x_os_glance", ANN) == set()

    def test_a_section_that_begins_with_os_glance_says_nothing_of_other_names(self, read: Read) -> None:
        assert allowed(read(all_four("os_glance|x", "@")), "x", ANN) == set()

    def test_more_names_than_are_remembered_are_still_decided(self, read: Read) -> None:
        protections = read(all_four("^odd_", "!") + all_four(".*", "@"))
        names = [f"{'odd' if n % 2 else 'even'}_{n}" for n in range(10_000)]
        for _ in range(2):
            assert protections.unreadable(names, ANN) == tuple(sorted(names[1::2]))


class TestRoles:
    """The format `roles`."""

    @pytest.mark.parametrize("text", ["member", "admin,Member", "admin , MEMBER ,", "x, @", "admin,\n  member"])
    def test_any_role_of_the_list_suffices_in_any_case(self, read: Read, text: str) -> None:
        assert allowed(read(all_four("x", text)), "x", ANN) == set(ACTIONS)

    @pytest.mark.parametrize("text", ["!", "", ",", "member, !", "memb", "admin"])
    def test_without_one_of_them_nothing_is_allowed(self, read: Read, text: str) -> None:
        assert allowed(read(all_four("x", text)), "x", ANN) == set()

    def test_the_roles_of_a_service_token_count(self, read: Read) -> None:
        protections = read(all_four("x", "nova"))
        nova = Caller(user_id="ann", project_id=OWNER, roles=ANN.roles, service_roles=frozenset({"nova"}))
        assert allowed(protections, "x", nova) == set(ACTIONS)
        assert allowed(protections, "x", ANN) == set()


class TestPolicies:
    """The format `policies`."""

    def test_a_rule_of_the_policy_decides(self, read: Read) -> None:
        protections = read(section("x", "context_is_admin", "@", "!", ""), "policies")
        assert allowed(protections, "x", ADMIN) == {"create", "read"}
        assert allowed(protections, "x", ANN) == {"read"}

    def test_an_operators_own_rule_decides_and_follows_its_file(self, read: Read, tmp_path: Path) -> None:
        rules = tmp_path / "policy.yaml"
        policy = load_policy(written(rules, "billing: role:member\n"))
        protections = read(all_four("x", "billing"), "policies", policy)
        assert allowed(protections, "x", ANN) == set(ACTIONS)
        for text in ("billing: role:auditor\n", "other: role:member\n"):
            refresh(policy, written(rules, text), None)
            assert allowed(protections, "x", ANN) == set()

    def test_a_rule_about_an_image_lets_nobody_pass(self, read: Read, tmp_path: Path) -> None:
        policy = load_policy(written(tmp_path / "policy.yaml", "own: project_id:%(owner)s\n"))
        assert allowed(read(all_four("x", "own"), "policies", policy), "x", ANN) == set()


class TestMistakes:
    """A file that cannot be used stops the start, and the message leads to the mistake."""

    @pytest.mark.parametrize(
        ("text", "rule_format", "named"),
        [
            ("create = admin\n", "roles", ["line: 1"]),
            ("[x]\ncreate\n", "roles", ["line 2"]),
            (all_four("x", "@") * 2, "roles", ["line 7", "'x'", "already exists"]),
            ("[x]\ncreate = @\ncreate = !\n", "roles", ["line 3", "'create'", "already exists"]),
            ("[x]\ncreate = @\nread = @\ndelete = @\n", "roles", ["[x]", "`update`", "add it"]),
            ("[x]\ncraete = @\nread = @\nupdate = @\ndelete = @\n", "roles", ["[x]", "`create`"]),
            (all_four("x(", "@"), "roles", ["[x(]", "regular expression"]),
            (all_four("x{99999999999}", "@"), "roles", ["[x{99999999999}]", "regular expression"]),
            (section("x", "@", "@", "@,!", "@"), "roles", ["[x], update", "@", "!", "keep one"]),
            (section("x", "@", "@", "@", "@,!"), "policies", ["[x], delete", "keep one"]),
            (section("x", "@", "50%", "@", "@"), "roles", ["[x], read", "%%"]),
            (section("x", "@", "%(who)s", "@", "@"), "roles", ["[x], read", "%%"]),
            (section("x", "@", "get_image, get_images", "@", "@"), "policies", ["[x], read", "combine"]),
            (section("x", "@", "@", "glance_creator", "@"), "policies", ["[x], update", "'glance_creator'", "define"]),
        ],
        ids=lambda value: value[-1] if isinstance(value, list) else "",
    )
    def test_it_names_the_file_and_the_place(
        self, read: Read, file: Path, text: str, rule_format: str, named: list[str]
    ) -> None:
        with pytest.raises(SettingsError) as fault:
            read(text, rule_format)
        message = str(fault.value)
        assert "\n" not in message
        assert [word for word in [str(file), *named] if word not in message] == []

    def test_a_file_that_cannot_be_read_is_named(self, file: Path) -> None:
        with pytest.raises(SettingsError, match=r"protections.conf: cannot be read: No such file"):
            read_protections(str(file), "roles", load_policy(None))
        file.write_bytes(b"\xff\xfe[x]")
        with pytest.raises(SettingsError, match=r"protections.conf: is not UTF-8"):
            read_protections(str(file), "roles", load_policy(None))

    async def test_the_service_does_not_start_with_one(self, file: Path, tokens_file: str) -> None:
        path = written(file, "[x]\n")
        env = environment(tokens="static", tokens_file=tokens_file, property_protection_file=path)
        code, output, errors = await vitrine("serve", env=env)
        assert (code, output, errors.count("\n")) == (1, "", 1)
        assert f"{path}, [x]: has no `create`" in errors


@pytest.mark.parametrize(("rule_format", "who"), [("roles", "member"), ("policies", "default")])
async def test_the_service_protects_as_its_settings_say(
    file: Path, tokens_file: str, rule_format: Any, who: str
) -> None:
    settings = Settings(
        tokens="static",
        tokens_file=tokens_file,
        property_protection_file=written(file, all_four("^x_", who) + all_four(".*", "!")),
        property_protection_rule_format=rule_format,
    )
    async with opened_app(settings) as app, TestClient(TestServer(app)) as client:
        answers = [await client.post("/v2/images", json={name: "1"}, headers=by("ann")) for name in ("x_1", "y")]
    assert [answer.status for answer in answers] == [201, 403]


RULES = (
    all_four("^x_hidden", "admin")
    + section("^x_shown", create="admin", read="@", update="admin", delete="admin")
    + section("^x_blind", create="member", read="admin", update="member", delete="member")
    + section("^x_once", create="@", read="@", update="!", delete="@")
    + section("^x_kept", create="@", read="@", update="@", delete="!")
    + all_four("^free", "@")
)
PROPERTIES = {
    "x_hidden": "1",
    "x_hidden_too": "2",
    "x_shown": "3",
    "x_blind": "4",
    "x_once": "5",
    "x_kept": "6",
    "free": "7",
}
UNSEEN = {"x_hidden", "x_hidden_too", "x_blind", "unmatched"}


@pytest.fixture
async def protected(connect: Connect, read: Read) -> Client:
    """Give a client of the application with the rules above."""
    return await connect(protections=read(RULES))


@pytest.fixture
async def stored(store: ImageStore) -> dict[str, str]:
    """Keep an image of ann's project with all kinds of properties, and give these."""
    properties = PROPERTIES | {"unmatched": "8"}
    await store.add(image(properties=properties, tags=("t",), status="active"))
    return properties


async def kept(store: ImageStore) -> dict[str, str]:
    """Give the properties in the store, whoever may see them."""
    return (await store.get(ONE, OWNER)).image.properties


def shown(body: dict[str, Any]) -> dict[str, str]:
    """Choose the properties that an answer shows."""
    return {name: body[name] for name in (*PROPERTIES, "unmatched", "free_2") if name in body}


class TestReading:
    """What the caller may not read is in no answer."""

    async def test_hidden_properties_are_in_no_answer(self, protected: Client, stored: dict[str, str]) -> None:
        visible = {name: stored[name] for name in stored.keys() - UNSEEN}
        one = await (await protected.get(PATH, headers=by("ann"))).json()
        listed = await (await protected.get("/v2/images", headers=by("ann"))).json()
        changed = await (await patch(protected, replace("name", "new"))).json()
        assert [shown(body) for body in (one, listed["images"][0], changed)] == [visible] * 3

    async def test_those_with_the_role_see_them(self, protected: Client, stored: dict[str, str]) -> None:
        body = await (await protected.get(PATH, headers=by("admin"))).json()
        assert shown(body) == {name: value for name, value in stored.items() if name != "unmatched"}

    @pytest.mark.usefixtures("stored")
    async def test_a_filter_on_a_hidden_property_matches_nothing(self, protected: Client) -> None:
        async def found(name: str, condition: str) -> int:
            response = await protected.get(f"/v2/images?{condition}", headers=by(name))
            return len((await response.json())["images"])

        for condition in ("x_hidden=1", "x_shown=3&x_hidden=1", "x_blind=4"):
            assert (await found("ann", condition), await found("admin", f"{condition}&visibility=all")) == (0, 1)
        assert await found("ann", "unmatched=8") == await found("admin", "unmatched=8") == 0
        assert await found("ann", "x_shown=3") == 1

    @pytest.mark.usefixtures("stored")
    async def test_callers_who_see_different_properties_get_different_etags(self, protected: Client) -> None:
        of_ann, of_admin = [(await protected.get(PATH, headers=by(name))).headers["ETag"] for name in ("ann", "admin")]
        assert of_ann != of_admin
        for name, tag, status in (("ann", of_ann, 304), ("admin", of_ann, 200), ("admin", of_admin, 304)):
            assert (await protected.get(PATH, headers=by(name, If_None_Match=tag))).status == status
        assert (await patch(protected, replace("name", "new"), name="ann", If_Match=of_admin)).status == 412
        assert (await patch(protected, replace("name", "new"), name="ann", If_Match=of_ann)).status == 200

    async def test_a_write_answers_with_the_etag_of_the_next_show(self, connect: Connect, read: Read) -> None:
        client = await connect(protections=read(section(".*", "@", "admin", "@", "@")))
        wanted = {"id": ONE, "long_name": "1", "b": "2", "aa": "3"}
        created = await client.post("/v2/images", json=wanted, headers=by("ann"))
        assert created.headers["ETag"] == (await client.get(PATH, headers=by("ann"))).headers["ETag"]


class TestCreating:
    """A property may be created by those whom its section names."""

    @pytest.mark.parametrize("name", ["x_hidden", "x_shown", "unmatched"])
    async def test_a_property_that_the_caller_may_not_create_is_reserved(
        self, protected: Client, store: ImageStore, name: str
    ) -> None:
        created = await protected.post("/v2/images", json={"free": "1", name: "x"}, headers=by("ann"))
        await store.add(image())
        added = await patch(protected, add(name, "x"))
        for answer in (created, added):
            assert (answer.status, f"Attribute '{name}' is reserved." in unescape(await answer.text())) == (403, True)
        assert await kept(store) == {}

    async def test_those_with_the_role_create_it(self, protected: Client, store: ImageStore) -> None:
        body = {"id": ONE, "owner": OWNER, "x_hidden": "1"}
        assert (await protected.post("/v2/images", json=body, headers=by("admin"))).status == 201
        assert (await patch(protected, add("x_shown", "2"), name="admin")).status == 200
        assert await kept(store) == {"x_hidden": "1", "x_shown": "2"}

    async def test_one_that_is_created_blindly_is_kept_and_not_shown(
        self, protected: Client, store: ImageStore
    ) -> None:
        created = await protected.post("/v2/images", json={"id": ONE, "x_blind": "1"}, headers=by("ann"))
        added = await patch(protected, add("x_blind_2", "2"))
        assert (created.status, added.status) == (201, 200)
        assert "x_blind" not in await created.text() + await added.text()
        assert await kept(store) == {"x_blind": "1", "x_blind_2": "2"}


@pytest.mark.usefixtures("stored")
class TestChanging:
    """A property may be changed by those whom its section names, and nobody changes what they cannot read."""

    @pytest.mark.parametrize(
        ("operation", "passes"),
        [
            *((replace("x_once", "x"), False), (add("x_once", "x"), False), (remove("x_once"), True)),
            *((replace("x_kept", "x"), True), (add("x_kept", "x"), True), (remove("x_kept"), False)),
            *((replace("x_shown", "x"), False), (add("x_shown", "x"), False), (remove("x_shown"), False)),
        ],
        ids=lambda value: f"{value['op']} {value['path']}" if isinstance(value, dict) else "",
    )
    async def test_update_and_delete_have_roles_of_their_own(
        self, protected: Client, store: ImageStore, stored: dict[str, str], operation: Any, *, passes: bool
    ) -> None:
        response = await patch(protected, replace("free", "x"), operation)
        assert response.status == (200 if passes else 403)
        assert (await kept(store) == stored) is not passes

    async def test_those_with_the_role_change_and_remove_it(self, protected: Client, store: ImageStore) -> None:
        operations = [replace("x_hidden", "new"), remove("x_shown")]
        assert (await patch(protected, *operations, name="admin")).status == 200
        properties = await kept(store)
        assert (properties["x_hidden"], "x_shown" in properties) == ("new", False)

    @pytest.mark.parametrize("name", sorted(UNSEEN))
    async def test_an_unreadable_property_is_absent_to_replace_and_remove(
        self, protected: Client, store: ImageStore, stored: dict[str, str], name: str
    ) -> None:
        for operation in (replace(name, "x"), remove(name)):
            answer = await patch(protected, operation)
            assert (answer.status, f"Property {name} does not exist." in await answer.text()) == (409, True)
        assert await kept(store) == stored

    @pytest.mark.parametrize("name", sorted(UNSEEN))
    async def test_an_unreadable_property_is_not_overwritten_by_add(
        self, protected: Client, store: ImageStore, stored: dict[str, str], name: str
    ) -> None:
        for operation, kind in ((add(name, "x"), DRAFT_10), ({"add": f"/{name}", "value": "x"}, DRAFT_4)):
            answer = await patch(protected, operation, kind=kind)
            assert answer.status == 403
            assert f"Attribute '{name}' is reserved." in unescape(await answer.text())
        assert await kept(store) == stored

    async def test_a_write_by_a_caller_who_cannot_read_a_property_keeps_it(
        self, protected: Client, store: ImageStore, stored: dict[str, str]
    ) -> None:
        headers = by("ann")
        answers = [
            await patch(protected, replace("name", "new"), add("free_2", "9"), remove("free")),
            await protected.put(f"{PATH}/tags/new", headers=headers),
            await protected.delete(f"{PATH}/tags/t", headers=headers),
            await protected.post(f"{PATH}/actions/deactivate", headers=headers),
            await protected.post(f"{PATH}/actions/reactivate", headers=headers),
        ]
        assert [answer.status for answer in answers] == [200, 204, 204, 204, 204]
        del stored["free"]
        assert await kept(store) == stored | {"free_2": "9"}
