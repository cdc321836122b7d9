"""Tokens from a file: who they stand for, and what a broken file is told."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest

from service.caller import Caller
from service.settings import Settings, SettingsError
from service.tokens.open import open_verifier
from service.tokens.static import StaticVerifier, read_tokens

FILE = """
- token: s3cret-of-alice
  user_id: alice
  project_id: demo
  roles: [Member, reader]
- token: s3cret-of-root
  user_id: root
  scope: system
  roles: [admin]
  expires_at: 2030-01-01T00:00:00Z
"""
ALICE = Caller(user_id="alice", project_id="demo", roles=frozenset({"member", "reader"}))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.yaml"


@pytest.fixture
def written(path: Path) -> str:
    path.write_text(FILE)
    return str(path)


def test_a_file_says_whom_its_tokens_stand_for(written: str) -> None:
    root = Caller(
        user_id="root", scope="system", roles=frozenset({"admin"}), expires_at=datetime(2030, 1, 1, tzinfo=UTC)
    )
    assert read_tokens(written) == {"s3cret-of-alice": ALICE, "s3cret-of-root": root}


async def test_settings_open_the_file_they_name(written: str) -> None:
    verifier = await open_verifier(Settings(tokens="static", tokens_file=written))
    assert await verifier.verify("s3cret-of-alice") == ALICE
    assert await verifier.verify("s3cret-of-bob") is None
    await verifier.close()


async def test_settings_without_a_file_are_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="VITRINE_TOKENS_FILE"):
        await open_verifier(Settings(tokens="static"))


async def test_bytes_outside_ascii_are_no_token() -> None:
    # As aiohttp gives a header whose bytes are not UTF-8.
    assert await StaticVerifier({"a": ALICE}).verify("\udcff\udcfe") is None


async def test_a_token_ends_when_the_file_says_so() -> None:
    ends = datetime.now(UTC)
    wall = Mock(return_value=(ends - timedelta(seconds=1)).timestamp())
    caller = Caller(user_id="u", project_id="p", expires_at=ends)
    verifier = StaticVerifier({"token": caller}, wall=wall)
    assert await verifier.verify("token") == caller
    wall.return_value = ends.timestamp()
    assert await verifier.verify("token") is None
    assert await verifier.verify("token", allow_expired=True) == caller


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is not a list"),
        ("s3cret: {user_id: u}", "is not a list"),
        ("- [s3cret", "is not YAML at line 1"),
        ("- *s3cret", "is not YAML at line 1"),
        ("- s3cret", "entry 1: Expected `object`"),
        ("- {token: s3cret, user_id: u, project_id: p}\n- {s3cret: {user_id: u}}", "entry 2: a field is none of token"),
        ("- {user_id: u, project_id: p}", "entry 1: .*missing required field `token`"),
        ("- {token: s3cret, project_id: p}", "entry 1: .*missing required field `user_id`"),
        ("- {token: s3cret, user_id: '', project_id: p}", r"entry 1: .*\$\.user_id"),
        ("- {token: 53, user_id: u, project_id: p}", r"entry 1: Expected `str`, got `int` - at `\$\.token`"),
        ("- {token: two s3cret, user_id: u, project_id: p}", "entry 1: `token` is not"),
        ("- {token: s3cret, user_id: u}", "entry 1: `project_id` goes with"),
        ("- {token: s3cret, user_id: u, project_id: p, scope: system}", "entry 1: `project_id` goes with"),
        ("- {token: s3cret, user_id: u, scope: domain}", "entry 1: `domain_id` goes with"),
        ("- {token: s3cret, user_id: u, scope: galaxy}", r"entry 1: .*\$\.scope"),
        ("- {token: s3cret, user_id: u, project_id: p, roles: member}", r"entry 1: .*\$\.roles"),
        ("- {token: s3cret, user_id: u, project_id: p, expires_at: 2030-01-01 00:00:00}", r"entry 1: .*\$\.expires_at"),
        (2 * "- {token: s3cret, user_id: u, project_id: p}\n", "entry 2: `token` is that of an earlier entry"),
    ],
)
def test_a_broken_file_is_told_where_and_never_shows_a_token(path: Path, text: str, complaint: str) -> None:
    path.write_text(text)
    with pytest.raises(SettingsError, match=complaint) as caught:
        read_tokens(str(path))
    assert str(caught.value).startswith(str(path))
    assert "s3cret" not in str(caught.value)


def test_a_missing_file_is_told_by_name(path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        read_tokens(str(path))


def test_a_file_of_other_bytes_is_told_so(path: Path) -> None:
    path.write_bytes(b"- token: \xff\xfe")
    with pytest.raises(SettingsError, match="is not UTF-8"):
        read_tokens(str(path))


def test_neither_the_verifier_nor_its_parts_hold_the_tokens() -> None:
    assert "s3cret" not in repr(vars(StaticVerifier({"s3cret": ALICE})))
