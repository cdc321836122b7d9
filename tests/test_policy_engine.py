"""The rules in force: an operator's file over the defaults, its refusals, and its changes while the service runs."""

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from service.caller import Caller
from service.policy.engine import load_policy, refresh, watch_policy
from service.policy.language import PolicyError

READER = Caller(user_id="ann", project_id="p1", roles=frozenset({"reader"}))
ADMIN = Caller(user_id="root", project_id="p0", roles=frozenset({"admin"}))
PUBLIC = {"project_id": "p9", "visibility": "public"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "policy.yaml"


def write(file: Path, text: str) -> str:
    file.write_text(text, encoding="utf-8")
    return str(file)


def test_a_rule_in_the_file_overrides_its_default_and_no_other(file: Path) -> None:
    policy = load_policy(write(file, "copy_image: \"'public':%(visibility)s\"\n"))
    assert policy.allows("copy_image", READER, PUBLIC)
    assert not load_policy(None).allows("copy_image", READER, PUBLIC)
    assert not policy.allows("publicize_image", READER, PUBLIC)


def test_defaults_follow_a_base_rule_that_is_overridden(file: Path) -> None:
    policy = load_policy(write(file, "context_is_admin: role:cloud\n"))
    cloud = Caller(user_id="root", roles=frozenset({"cloud"}))
    assert policy.is_admin(cloud)
    assert policy.allows("publicize_image", cloud, PUBLIC)
    assert not policy.is_admin(ADMIN)
    assert not policy.allows("publicize_image", ADMIN, PUBLIC)


def test_the_file_may_define_rules_of_its_own(file: Path) -> None:
    policy = load_policy(write(file, "auditor: role:reader\ncopy_image: rule:auditor\n"))
    assert policy.allows("copy_image", READER, PUBLIC)


def test_the_file_may_be_json(file: Path) -> None:
    assert load_policy(write(file, '{"copy_image": "role:reader"}')).allows("copy_image", READER, PUBLIC)


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}", "---\n"])
def test_an_empty_file_leaves_the_defaults(file: Path, text: str) -> None:
    policy = load_policy(write(file, text))
    assert policy.allows("get_image", READER, PUBLIC)
    assert not policy.allows("modify_image", READER, PUBLIC)


@pytest.mark.parametrize(
    ("old", "passes"),
    [
        ("[]", True),
        ("[[]]", False),
        ('["role:admin", "role:reader"]', True),
        ('[["role:admin"], ["role:reader", "project_id:p1"]]', True),
        ('[["role:admin", "role:reader"], ["project_id:p2"]]', False),
        ('[["role:reader or role:admin", "role:admin"]]', False),
    ],
)
def test_the_old_language_of_lists_is_read_as_well(file: Path, old: str, *, passes: bool) -> None:
    assert load_policy(write(file, f"copy_image: {old}")).allows("copy_image", READER, PUBLIC) is passes


@pytest.mark.parametrize(
    ("text", "rule", "reason"),
    [
        ("get_image: role:admin or", "'get_image'", "ends where a check must follow"),
        ("get_image: rule:get_imag", "'get_image'", "refers to the rule 'get_imag', which is not defined"),
        ("one: rule:two\ntwo: rule:one", "'one'", "refers to itself"),
        ("context_is_admin: rule:modify_image", "'context_is_admin'", "context_is_admin -> modify_image -> "),
        ("modify_member: rule:add_member\nadd_member: rule:modify_member", "'modify_member'", "refers to itself"),
        ("get_image: http://example.org/%(owner)s", "'get_image'", "asks another server"),
        ("get_image: https://example.org/", "'get_image'", "asks another server"),
        ("get_image:", "'get_image'", "is empty"),
        ("get_image: !", "'get_image'", '("@" for everybody, "!" for nobody), but is empty'),
        ("get_image: true", "'get_image'", "is of type bool"),
        ("get_image: {role: admin}", "'get_image'", "is of type dict"),
        ("get_image: [[role:admin, 1]]", "'get_image'", "is of type int"),
        ("get_image: [admin]", "'get_image'", "'admin' is no check"),
        ("yes: role:admin", "'True'", "names of rules must be text"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_file_and_name(file: Path, text: str, rule: str, reason: str) -> None:
    with pytest.raises(PolicyError) as refusal:
        load_policy(write(file, text))
    assert f"{file}: rule " in str(refusal.value)
    assert rule in str(refusal.value)
    assert reason in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"- role:admin", "must be a mapping of rules"),
        (b"role:admin", "must be a mapping of rules"),
        (b"get_image: @", "is not YAML: "),
        (b"get_image: 'public':%(visibility)s", "line 1"),
        (b"get_image: !!python/object/apply:os.getcwd []", "is not YAML: "),
        (b"get_image: 2026-99-99", "is not YAML: "),
        (b"\xff\xfe\xff", "is not YAML: "),
        (b"[" * 5000, "is not YAML: "),
    ],
)
def test_a_file_that_holds_no_rules_is_refused_with_its_name(file: Path, content: bytes, reason: str) -> None:
    file.write_bytes(content)
    with pytest.raises(PolicyError) as refusal:
        load_policy(str(file))
    assert str(refusal.value).startswith(f"{file}: ")
    assert reason in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_file_is_refused_with_its_name(file: Path, tmp_path: Path) -> None:
    for path in (file, tmp_path):
        with pytest.raises(PolicyError, match=f"^{path}: cannot be read: "):
            load_policy(str(path))


def test_a_rule_that_does_not_exist_is_a_mistake_of_the_program(file: Path) -> None:
    with pytest.raises(KeyError):
        load_policy(None).allows("get_imag", READER, PUBLIC)


def test_a_changed_file_is_put_in_force(file: Path) -> None:
    path = write(file, "copy_image: role:reader")
    policy = load_policy(path)
    stamp = refresh(policy, path, None)
    write(file, 'copy_image: "!"')
    assert refresh(policy, path, stamp) != stamp
    assert not policy.allows("copy_image", READER, PUBLIC)


def test_an_unchanged_file_is_not_read_again(file: Path) -> None:
    path = write(file, "copy_image: role:reader")
    policy = load_policy(path)
    stamp = refresh(policy, path, None)
    policy.replace({})
    assert refresh(policy, path, stamp) == stamp
    with pytest.raises(KeyError):
        policy.allows("copy_image", READER, PUBLIC)


def test_a_change_between_the_first_reading_and_the_first_look_is_seen(file: Path) -> None:
    path = write(file, "copy_image: role:reader")
    policy = load_policy(path)
    write(file, 'copy_image: "!"')
    refresh(policy, path, None)
    assert not policy.allows("copy_image", READER, PUBLIC)


def test_a_bad_change_is_logged_once_and_changes_nothing(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(file, "copy_image: role:reader")
    policy = load_policy(path)
    stamp = refresh(policy, path, None)
    write(file, "copy_image: rule:absent\nget_image: '!'")
    for _ in range(3):
        stamp = refresh(policy, path, stamp)
    [error] = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert f"{path}: rule 'copy_image': refers to the rule 'absent'" in error
    assert policy.allows("copy_image", READER, PUBLIC)
    assert policy.allows("get_image", READER, PUBLIC)


def test_a_file_that_vanishes_is_logged_once_and_read_when_it_is_back(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(file, "copy_image: role:reader")
    policy = load_policy(path)
    stamp = refresh(policy, path, None)
    file.unlink()
    for _ in range(3):
        stamp = refresh(policy, path, stamp)
    assert [record.levelno for record in caplog.records].count(logging.ERROR) == 1
    assert policy.allows("copy_image", READER, PUBLIC)
    write(file, 'copy_image: "!"')
    refresh(policy, path, stamp)
    assert not policy.allows("copy_image", READER, PUBLIC)


def mount(folder: Path, version: str, text: str) -> None:
    """Lay out a file as Kubernetes mounts a ConfigMap: a new folder, and one link swapped to it."""
    (folder / version).mkdir()
    write(folder / version / "policy.yaml", text)
    os.utime(folder / version / "policy.yaml", ns=(0, 0))
    (folder / "..next").symlink_to(version)
    (folder / "..next").replace(folder / "..data")


def test_a_swapped_link_is_a_change_though_size_and_time_are_the_same(tmp_path: Path, file: Path) -> None:
    mount(tmp_path, "..1", "copy_image: role:reader")
    file.symlink_to("..data/policy.yaml")
    policy = load_policy(str(file))
    stamp = refresh(policy, str(file), None)
    mount(tmp_path, "..2", "copy_image: role:nobody")
    refresh(policy, str(file), stamp)
    assert not policy.allows("copy_image", READER, PUBLIC)


async def eventually(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - the watcher tells nobody, just as in the service
            await asyncio.sleep(0.005)


async def test_the_watcher_follows_the_file_until_cancelled(file: Path) -> None:
    path = write(file, 'copy_image: "!"')
    policy = load_policy(path)
    watcher = asyncio.create_task(watch_policy(policy, path, 0.01))

    def allowed() -> bool:
        return policy.allows("copy_image", READER, PUBLIC)

    write(file, "copy_image: role:reader")
    await eventually(allowed)
    write(file, "copy_image: not a rule")
    await asyncio.sleep(0.05)
    assert allowed()
    write(file, 'copy_image: "!"')
    await eventually(lambda: not allowed())
    watcher.cancel()
    with suppress(asyncio.CancelledError):
        await watcher
    assert watcher.cancelled()
