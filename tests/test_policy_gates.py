"""The two gates in front of every image: who sees it, who gets 403 and who gets 404."""

from pathlib import Path
from typing import Any

import pytest

from drivers.errors import ImageNotFound
from drivers.records import View
from service.caller import Caller, Scope
from service.policy import gates
from service.policy.engine import Policy, load_policy
from service.policy.targets import ImageTarget, own_images
from tests.conformance import full_image, image


def caller(project: str | None, *roles: str, scope: Scope = "project") -> Caller:
    return Caller(user_id="ann", project_id=project, roles=frozenset(roles), scope=scope)


OWNER = caller("p1", "reader")
OWNER_MEMBER = caller("p1", "member", "reader")
OTHER = caller("p2", "reader")
OTHER_MEMBER = caller("p2", "member", "reader")
ADMIN = caller("p3", "admin")
ROLELESS_OWNER = caller("p1")
UNSCOPED = caller(None, scope="unscoped")
SYSTEM_ADMIN = caller(None, "admin", "member", "reader", scope="system")
DOMAIN_ADMIN = caller(None, "admin", "member", "reader", scope="domain")

PUBLIC = View(image(visibility="public"))
COMMUNITY = View(image(visibility="community"))
UNSHARED = View(image(visibility="shared"))
SHARED = View(image(visibility="shared"), "accepted")
PENDING = View(image(visibility="shared"), "pending")
REJECTED = View(image(visibility="shared"), "rejected")
PRIVATE = View(image(visibility="private"))
FORMERLY_SHARED = View(image(visibility="private"), "accepted")
ALL = [PUBLIC, COMMUNITY, UNSHARED, SHARED, PENDING, REJECTED, PRIVATE, FORMERLY_SHARED]
FINDABLE = [PUBLIC, COMMUNITY, SHARED, PENDING, REJECTED]


def named(view: View) -> str:
    return f"{view.image.visibility}-{view.member_status}-{view.image.owner}"


def answer(policy: Policy, rule: str, asker: Caller, view: View) -> int:
    try:
        gates.require(policy, rule, asker, view)
    except ImageNotFound:
        return 404
    except gates.PolicyForbids:
        return 403
    return 200


def overridden(folder: Path, **rules: str) -> Policy:
    path = folder / "policy.yaml"
    path.write_text("".join(f'{name}: "{text}"\n' for name, text in rules.items()))
    return load_policy(str(path))


@pytest.fixture
def policy() -> Policy:
    return load_policy(None)


@pytest.mark.parametrize("view", ALL, ids=named)
def test_the_owner_and_an_admin_are_shown_every_image(policy: Policy, view: View) -> None:
    assert answer(policy, "get_image", OWNER, View(view.image)) == 200
    assert answer(policy, "get_image", ADMIN, View(view.image)) == 200


@pytest.mark.parametrize("view", ALL, ids=named)
def test_another_project_is_shown_what_is_public_community_or_shared_with_it(policy: Policy, view: View) -> None:
    assert answer(policy, "get_image", OTHER, view) == (200 if view in FINDABLE else 404)


@pytest.mark.parametrize("view", ALL, ids=named)
def test_without_a_role_nothing_is_shown_and_nothing_is_told(policy: Policy, view: View) -> None:
    for asker in (ROLELESS_OWNER, UNSCOPED):
        for rule in ("get_image", "download_image", "modify_image"):
            assert answer(policy, rule, asker, view) == 404


@pytest.mark.parametrize("view", ALL, ids=named)
def test_another_project_downloads_what_it_is_shown_with_the_member_role(policy: Policy, view: View) -> None:
    assert answer(policy, "download_image", OTHER_MEMBER, view) == (200 if view in FINDABLE else 404)
    assert answer(policy, "download_image", OTHER, view) == (403 if view in FINDABLE else 404)


@pytest.mark.parametrize("rule", ["modify_image", "delete_image", "upload_image", "deactivate", "reactivate"])
@pytest.mark.parametrize("view", ALL, ids=named)
def test_another_project_may_change_nothing(policy: Policy, view: View, rule: str) -> None:
    assert answer(policy, rule, OTHER_MEMBER, view) == (403 if view in FINDABLE else 404)
    assert answer(policy, rule, OWNER_MEMBER, View(view.image)) == 200
    assert answer(policy, rule, ADMIN, View(view.image)) == 200


@pytest.mark.parametrize("view", ALL, ids=named)
def test_members_are_listed_for_the_owner_and_for_a_project_it_is_shared_with(policy: Policy, view: View) -> None:
    shared = view.image.visibility == "shared" and view.member_status is not None
    forbidden = 403 if view in FINDABLE else 404
    assert answer(policy, "get_members", OWNER, View(view.image)) == 200
    assert answer(policy, "get_members", OTHER, view) == (200 if shared else forbidden)
    assert answer(policy, "modify_member", OTHER_MEMBER, view) == (200 if shared else forbidden)


@pytest.mark.parametrize(
    ("visibility", "shown", "changed"),
    [("public", 200, 403), ("community", 200, 403), ("shared", 200, 403), ("private", 404, 404)],
)
@pytest.mark.parametrize("asker", [OTHER_MEMBER, caller(None, "member", "reader", scope="unscoped")])
def test_an_ownerless_image_is_nobodys_to_change(
    policy: Policy, visibility: str, shown: int, changed: int, asker: Caller
) -> None:
    view = View(image(visibility=visibility, owner=None))
    assert answer(policy, "get_image", asker, view) == shown
    assert answer(policy, "modify_image", asker, view) == changed


def test_404_names_the_image_and_403_the_rule(policy: Policy) -> None:
    with pytest.raises(ImageNotFound, match=PRIVATE.image.id):
        gates.require(policy, "modify_image", OTHER_MEMBER, PRIVATE)
    with pytest.raises(gates.PolicyForbids) as refusal:
        gates.require(policy, "modify_image", OTHER_MEMBER, PUBLIC)
    assert str(refusal.value) == "You are not authorized to complete modify_image action."
    assert refusal.value.rule == "modify_image"


def test_a_caller_who_passes_the_operations_rule_needs_no_get_image(tmp_path: Path) -> None:
    policy = overridden(tmp_path, get_image="!", modify_image="@")
    assert answer(policy, "modify_image", OTHER_MEMBER, PUBLIC) == 200
    assert answer(policy, "get_image", OTHER_MEMBER, PUBLIC) == 404
    assert answer(policy, "delete_image", OTHER_MEMBER, PUBLIC) == 404


def test_no_rule_opens_what_the_caller_may_not_know_of(tmp_path: Path) -> None:
    policy = overridden(tmp_path, get_image="@", modify_image="@")
    assert answer(policy, "get_image", OTHER, PRIVATE) == 404
    assert answer(policy, "modify_image", OTHER, UNSHARED) == 404


def test_an_operators_admin_sees_everything(tmp_path: Path) -> None:
    policy = overridden(tmp_path, context_is_admin="role:cloud_admin")
    assert answer(policy, "modify_image", caller("p9", "cloud_admin"), PRIVATE) == 200
    assert answer(policy, "get_image", ADMIN, PRIVATE) == 404


@pytest.mark.parametrize("asker", [SYSTEM_ADMIN, DOMAIN_ADMIN])
def test_tokens_of_a_system_or_a_domain_find_no_image_and_are_refused_the_list(tmp_path: Path, asker: Caller) -> None:
    policy = overridden(tmp_path, get_images="@")
    for rule in ("get_image", "modify_image"):
        assert answer(policy, rule, asker, PUBLIC) == 404
        assert answer(policy, rule, asker, PRIVATE) == 404
    with pytest.raises(gates.PolicyForbids):
        gates.require_collection(policy, "get_images", asker, own_images(asker))
    assert not gates.may_see_locations(policy, asker, PUBLIC)


def test_a_reader_lists_a_member_creates_and_others_do_neither(policy: Policy) -> None:
    gates.require_collection(policy, "get_images", OWNER, own_images(OWNER))
    gates.require_collection(policy, "add_image", OWNER_MEMBER, own_images(OWNER_MEMBER))
    for rule, asker in [("add_image", OWNER), ("get_images", ROLELESS_OWNER)]:
        with pytest.raises(gates.PolicyForbids, match=rule):
            gates.require_collection(policy, rule, asker, own_images(asker))


def test_a_member_creates_for_the_own_project_only(policy: Policy) -> None:
    wished = View(image(owner="p2"))
    gates.require_collection(policy, "add_image", OTHER_MEMBER, ImageTarget(wished, OTHER_MEMBER))
    with pytest.raises(gates.PolicyForbids):
        gates.require_collection(policy, "add_image", OWNER_MEMBER, ImageTarget(wished, OWNER_MEMBER))


def test_without_a_project_nothing_is_created(policy: Policy) -> None:
    asker = caller(None, "member", scope="unscoped")
    with pytest.raises(gates.PolicyForbids):
        gates.require_collection(policy, "add_image", asker, own_images(asker))


@pytest.mark.parametrize("view", ALL, ids=named)
def test_locations_are_for_the_owner_and_admins(policy: Policy, view: View) -> None:
    assert gates.may_see_locations(policy, OWNER, view)
    assert gates.may_see_locations(policy, ADMIN, view)
    assert not gates.may_see_locations(policy, OTHER_MEMBER, view)


@pytest.mark.parametrize(
    "rule",
    [
        "'deactivated':%(status)s",
        "True:%(protected)s",
        "'2147483647':%(min_disk)s",
        "'linux':%(os_distro)s",
        "project_id:%(owner)s",
        "project_id:%(project_id)s",
    ],
)
def test_rules_may_ask_for_any_field_and_property(tmp_path: Path, rule: str) -> None:
    assert gates.may(overridden(tmp_path, copy_image=rule), "copy_image", OWNER, View(full_image()))


@pytest.mark.parametrize(
    "properties",
    [{"owner": "p2"}, {"project_id": "p2"}, {"member_id": "p2"}, {"visibility": "public"}],
    ids=str,
)
def test_a_property_never_stands_in_for_a_field(policy: Policy, properties: dict[str, str]) -> None:
    forged = View(image(visibility="private", properties=properties))
    for rule in ("get_image", "modify_image", "get_members"):
        assert not gates.may(policy, rule, OTHER_MEMBER, forged)


@pytest.mark.parametrize(("name", "found"), [("revision", "mine"), ("locations", "-"), ("properties", "-"), ("x", "-")])
def test_what_is_no_part_of_an_image_on_the_wire_is_not_asked(name: str, found: str) -> None:
    target = ImageTarget(View(image(properties={"revision": "mine"})), OWNER)
    assert target.get(name, "-") == found


@pytest.mark.parametrize(
    ("asker", "view", "member_id"),
    [
        (OTHER, SHARED, "p2"),
        (OTHER, UNSHARED, None),
        (OTHER, FORMERLY_SHARED, None),
        (OWNER, SHARED, None),
        (ADMIN, UNSHARED, None),
    ],
)
def test_member_id_is_the_callers_project_where_the_image_is_shared_with_it(
    asker: Caller, view: View, member_id: Any
) -> None:
    assert ImageTarget(view, asker).get("member_id", "absent") == member_id
