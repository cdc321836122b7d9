"""The policy language: what each form of check means, what is refused, and that oslo.policy decides alike."""

from functools import cached_property
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oslo_config import cfg
from oslo_policy import policy as oslo

from service.caller import Caller
from service.policy.language import PolicyError, compile_rules

ANN = Caller(
    user_id="ann", project_id="p1", roles=frozenset({"member", "reader"}), service_roles=frozenset({"service"})
)
OWN = {"project_id": "p1", "visibility": "private", "protected": True, "owner": None, "hw": "a%b"}


class WideCaller(Caller, frozen=True, kw_only=True, dict=True):
    """A caller with more credentials than Vitrine's own, to reach every form of check."""

    more: dict[str, Any]

    @cached_property
    def credentials(self) -> dict[str, Any]:
        return {**super().credentials, **self.more}


WIDE = WideCaller(
    user_id="ann",
    more={
        "token": {"project": {"id": "p1"}, "methods": ["password", "totp"], "user": None},
        "groups": [{"name": "a"}, {"name": "b"}, {"id": "c"}],
        "level": 3,
    },
)


def decide(rule: str, target: dict[str, Any] = OWN, caller: Caller = ANN, **others: str) -> bool:
    return compile_rules({"asked": rule, **others})["asked"](target, caller)


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "@",
        "not !",
        "not not @",
        "role:member",
        "role:MEMBER",
        "NOT role:admin",
        "role:admin or role:member",
        "role:admin Or role:member",
        "role:member and role:reader",
        "@ or @ and !",
        "not ! and @",
        "not (@ and !)",
        "( role:admin or (role:member) ) and @",
        "((role:member))",
        "user_id:ann",
        "project_id:p1",
        "project_id:%(project_id)s",
        "roles:reader",
        "service_roles:service",
        "'private':%(visibility)s",
        '"private":%(visibility)s',
        "'p1/private':%(project_id)s/%(visibility)s",
        "'a%b':%(hw)s",
        "'100%':100%%",
        "'%(x)s':%%(x)s",
        "True:%(protected)s",
        "None:%(owner)s",
        "role:%(role)s",
        "rule:other",
        "not rule:another",
    ],
)
def test_the_check_passes(rule: str) -> None:
    assert decide(rule, {**OWN, "role": "Member"}, other="role:member", another="rule:deep", deep="!")


@pytest.mark.parametrize(
    "rule",
    [
        "!",
        "not @",
        "role:admin",
        "(@ or @) and !",
        "! and ! or !",
        "not @ or !",
        "project_id:p",
        "project_id:%(visibility)s",
        "'public':%(visibility)s",
        "False:%(protected)s",
        "'-private':%(absent)s-%(visibility)s",
        "role:%(absent)s",
        "role:%(owner)s",
        "user_id.x:ann",
        "rule:another",
    ],
)
def test_the_check_fails(rule: str) -> None:
    assert not decide(rule, another="rule:deep", deep="!")


@pytest.mark.parametrize("rule", ["absent:%(project_id)s", "project_id:%(absent)s", "absent:%(absent)s", "absent:None"])
def test_what_is_missing_equals_nothing(rule: str) -> None:
    assert not decide(rule)


@pytest.mark.parametrize(
    "rule", ["project_id:%(owner)s", "project_id:None", "user_domain_id:%(owner)s", "roles:%(owner)s"]
)
def test_a_null_equals_no_credential(rule: str) -> None:
    assert not decide(rule, caller=Caller(user_id="ann", scope="unscoped"))


@pytest.mark.parametrize("rule", ["project_id:%(owner)s", "role:%(owner)s", "project_id:%(owner)s%(owner)s"])
def test_a_null_is_not_the_text_none(rule: str) -> None:
    for text in ("None", "NoneNone"):
        assert not decide(rule, caller=Caller(user_id="ann", project_id=text, roles=frozenset({"none"})))


def test_oslo_would_give_an_ownerless_image_to_a_caller_without_project() -> None:
    assert Oracle().decides({"asked": "project_id:%(owner)s"}, "asked", {"owner": None}, {"project_id": None})


@pytest.mark.parametrize(
    ("rule", "passes"),
    [
        ("token.project.id:%(project_id)s", True),
        ("token.methods:totp", True),
        ("token.methods:saml", False),
        ("groups.name:b", True),
        ("groups.name:c", False),
        ("groups.id:c", True),
        ("token.project.id.more:p1", False),
        ("token.user.id:None", False),
        ("token.user:None", False),
        ("token.absent.id:p1", False),
        ("level:3", True),
    ],
)
def test_dots_reach_into_credentials_and_one_item_of_a_list_suffices(rule: str, *, passes: bool) -> None:
    assert decide(rule, caller=WIDE) is passes


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("role:admin or", "ends where a check must follow"),
        ("or role:admin", "'or' is no check"),
        ("role:admin and and role:member", "'and' is no check"),
        ("not", "ends where a check must follow"),
        ("   ", "ends where a check must follow"),
        ("(role:admin", "ends where ')' must follow"),
        ("(role:admin role:member)", "'role:member' stands where ')' must follow"),
        ("()", "')' is no check"),
        ("role:admin)", "')' follows a complete rule"),
        ("role:admin role:member", "'role:member' follows a complete rule"),
        ("role: admin", "'admin' follows a complete rule"),
        ("admin", "'admin' is no check"),
        ("'role:admin'", "\"'role:admin'\" is no check"),
        ("project_id:%(owner)", "'%' begins no %(name)s"),
        ("project_id:%s", "'%' begins no %(name)s"),
        ("project_id:%(owner)d", "'%' begins no %(name)s"),
        (":x", "'' is neither a literal nor the name of a credential"),
        ("1a:x", "'1a' is neither a literal nor the name of a credential"),
        ("http://example.org/%(owner)s", "asks another server"),
        ("@ or https://example.org/", "asks another server"),
        ("rule:absent", "refers to the rule 'absent', which is not defined"),
        ("rule:asked", "refers to itself: asked -> asked"),
        ("not (role:x or rule:other)", "refers to itself: asked -> other -> asked"),
        (" ".join("(" * 5000), "nested too deeply"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_name_and_the_reason(rule: str, reason: str) -> None:
    with pytest.raises(PolicyError) as refusal:
        decide(rule, other="@ and rule:asked")
    assert refusal.value.rule in {"asked", "other"}
    assert f"rule '{refusal.value.rule}': " in str(refusal.value)
    assert reason in str(refusal.value)


def test_a_chain_of_references_is_no_cycle() -> None:
    assert decide("rule:other and rule:deep", other="rule:deep", deep="rule:deeper", deeper="@")


def test_a_long_rule_is_not_deep() -> None:
    assert decide(" or ".join(["!"] * 5000 + ["@"]))


class Oracle:
    """oslo.policy, told the rules directly."""

    def __init__(self) -> None:
        conf = cfg.ConfigOpts()
        conf([])
        self._enforcer = oslo.Enforcer(conf, use_conf=False)

    def decides(self, rules: dict[str, str], rule: str, target: dict[str, Any], credentials: dict[str, Any]) -> bool:
        self._enforcer.set_rules(oslo.Rules.from_dict(rules))
        return bool(self._enforcer.enforce(rule, target, dict(credentials)))


WORDS = ["a", "b", "admin", "public", "True", "1"]
NAMES = ["owner", "project_id", "visibility", "dotted.name", "x"]
PLAIN = st.sampled_from(WORDS)
NULLABLE = st.none() | PLAIN
KINDS = ["user_id", "project_id", "domain_id", "roles", "absent", "token.project.id", "token.absent", "groups.name"]
LITERALS = ["'a'", '"public"', "True", "None", "1", "'a-b'", "'a-'"]
TEMPLATES = [*(f"%({name})s" for name in NAMES), "%(owner)s-%(x)s", "a-%(x)s", "%(x)s%%", "a-"]
MATCHES = st.sampled_from(WORDS + TEMPLATES)


def checks(references: list[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.sampled_from(["@", "!"]),
        st.builds("role:{}".format, MATCHES),
        st.builds("{}:{}".format, st.sampled_from(KINDS + LITERALS), MATCHES),
        *([st.sampled_from([f"rule:{name}" for name in references])] if references else []),
    )


def sentences(references: list[str]) -> st.SearchStrategy[str]:
    return st.recursive(
        checks(references),
        lambda inner: st.one_of(
            st.builds("({})".format, inner),
            st.builds("( {} )".format, inner),
            st.builds("not ({})".format, inner),
            st.builds("{} {} {}".format, inner, st.sampled_from(["and", "or", "AND", "Or"]), inner),
            st.builds("not {}".format, checks(references)),
        ),
        max_leaves=8,
    )


RULES = st.fixed_dictionaries({f"r{n}": sentences([f"r{lower}" for lower in range(n)]) for n in range(3)})
TARGETS = st.dictionaries(st.sampled_from(NAMES), st.one_of(PLAIN, st.none(), st.booleans(), st.just(1)))
CALLERS = st.builds(
    WideCaller,
    user_id=PLAIN,
    project_id=NULLABLE,
    domain_id=NULLABLE,
    roles=st.frozensets(st.sampled_from([word.lower() for word in WORDS])),
    more=st.fixed_dictionaries(
        {
            "token": st.fixed_dictionaries({"project": st.fixed_dictionaries({"id": NULLABLE})}),
            "groups": st.lists(st.fixed_dictionaries({}, optional={"name": NULLABLE}), max_size=3),
        }
    ),
)


def without_nulls(held: Any) -> Any:
    """Leave out what oslo would take for the text "None": the one difference, tested above."""
    if isinstance(held, dict):
        return {name: without_nulls(value) for name, value in held.items() if value is not None}
    return [without_nulls(item) for item in held] if isinstance(held, list) else held


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    return Oracle()


@settings(max_examples=600, deadline=None)
@given(rules=RULES, target=TARGETS, caller=CALLERS)
def test_oslo_policy_decides_alike(
    oracle: Oracle, rules: dict[str, str], target: dict[str, Any], caller: WideCaller
) -> None:
    compiled = compile_rules(rules)
    credentials = without_nulls(caller.credentials)
    for name in rules:
        assert compiled[name](target, caller) is oracle.decides(rules, name, target, credentials), name
