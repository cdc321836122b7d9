"""The default rules: each means what operators know it to mean, for every caller and every image."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import get_args

import pytest

from drivers.records import MemberStatus, View, Visibility
from service.caller import Caller
from service.policy.defaults import RULES
from service.policy.engine import load_policy
from service.policy.targets import ImageTarget
from tests.conformance import image

Meaning = Callable[[Caller, View], bool]


def anybody(_caller: Caller, _view: View) -> bool:
    return True


def admin(caller: Caller, _view: View) -> bool:
    return "admin" in caller.roles


def service(caller: Caller, _view: View) -> bool:
    return not caller.roles.isdisjoint({"service", "admin"})


def owns(caller: Caller, view: View) -> bool:
    return caller.project_id is not None and caller.project_id == view.image.owner


def was_offered(caller: Caller, view: View) -> bool:
    offered = view.image.visibility == "shared" and view.member_status is not None
    return offered and view.image.owner != caller.project_id


def findable(caller: Caller, view: View) -> bool:
    return owns(caller, view) or was_offered(caller, view) or view.image.visibility != "private"


def is_public(_caller: Caller, view: View) -> bool:
    return view.image.visibility == "public"


def having(role: str, *conditions: Meaning, instead: Meaning = admin) -> Meaning:
    """Mean that the role and one of the conditions hold, or `instead` does."""

    def meaning(caller: Caller, view: View) -> bool:
        return instead(caller, view) or (role in caller.roles and any(holds(caller, view) for holds in conditions))

    return meaning


MEMBER = having("member", owns)
READER = having("reader", owns)
READER_OR_SHARED = having("reader", owns, was_offered)

SEE_NAMESPACE = (
    "get_metadef_namespace",
    "get_metadef_objects",
    "get_metadef_object",
    "get_metadef_properties",
    "get_metadef_property",
    "get_metadef_tags",
    "get_metadef_tag",
    "list_metadef_resource_types",
    "get_metadef_resource_type",
)
CHANGE_METADEFS = (
    "metadef_admin",
    *(f"{verb}_metadef_{noun}" for verb in ("add", "modify", "delete") for noun in ("namespace", "object", "tag")),
    *(f"{verb}_metadef_property" for verb in ("add", "modify", "remove")),
    *(f"{verb}_metadef_resource_type_association" for verb in ("add", "remove")),
    *(f"{verb}_metadef_tags" for verb in ("add", "delete")),
)

# Reference appendix A, by the shorthand of its section 0.2.
MEANINGS: dict[str, Meaning] = {
    "context_is_admin": admin,
    "default": anybody,
    "service_api": service,
    "add_image": MEMBER,
    "get_image": having("reader", findable),
    "get_images": READER,
    "modify_image": MEMBER,
    "delete_image": MEMBER,
    "publicize_image": admin,
    "communitize_image": MEMBER,
    "download_image": having("member", findable),
    "download_from_store": having("member", findable),
    "upload_image": MEMBER,
    "copy_image": admin,
    "set_image_location": MEMBER,
    "get_image_location": READER,
    "delete_image_location": admin,
    "add_image_location": having("member", owns, instead=service),
    "fetch_image_location": service,
    "deactivate": MEMBER,
    "reactivate": MEMBER,
    "add_member": MEMBER,
    "delete_member": MEMBER,
    "get_member": READER_OR_SHARED,
    "get_members": READER_OR_SHARED,
    "modify_member": having("member", was_offered),
    "stores_info_detail": service,
    "manage_image_cache": admin,
    "cache_image": admin,
    "cache_list": admin,
    "cache_delete": admin,
    "cache_clean": admin,
    "cache_prune": admin,
    "list_cached_nodes": admin,
    "tasks_api_access": admin,
    "get_task": anybody,
    "get_tasks": anybody,
    "add_task": anybody,
    "modify_task": anybody,
    "metadef_default": anybody,
    "get_metadef_namespaces": READER,
    **dict.fromkeys(SEE_NAMESPACE, having("reader", owns, is_public)),
    **dict.fromkeys(CHANGE_METADEFS, admin),
}


def situations() -> Iterator[tuple[Caller, View]]:
    """Put every caller before every image: roles by projects, visibilities by memberships and owners."""
    role_sets: list[set[str]] = [set(), {"reader"}, {"member"}, {"member", "reader"}, {"admin"}, {"service"}, {"x"}]
    for roles, project in product(role_sets, ["p1", "p2", None]):
        caller = Caller(user_id="ann", project_id=project, roles=frozenset(roles))
        for visibility, owner in product(get_args(Visibility), ["p1", None]):
            for status in (None, *get_args(MemberStatus)) if project else (None,):
                yield caller, View(image(visibility=visibility, owner=owner), status)


def test_every_rule_of_the_reference_is_there_once() -> None:
    assert sorted(rule.name for rule in RULES) == sorted(MEANINGS)


@pytest.mark.parametrize("rule", MEANINGS)
def test_the_default_means_what_the_reference_says(rule: str) -> None:
    policy = load_policy(None)
    for caller, view in situations():
        allowed = policy.allows(rule, caller, ImageTarget(view, caller))
        assert allowed is MEANINGS[rule](caller, view), (caller, view)


def test_every_rule_is_described_in_a_sentence() -> None:
    for rule in RULES:
        assert rule.sentence[0].isupper(), rule.name
        assert rule.sentence.endswith("."), rule.name
