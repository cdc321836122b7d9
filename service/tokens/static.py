"""Tokens from a file or a mapping, for demos and small installations without an identity service."""

import time
from collections.abc import Callable, Container, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec

from service.caller import Caller, Scope
from service.settings import SettingsError
from service.tokens.protocol import Endpoint
from service.tokens.text import could_be_token, token_digest

Id = Annotated[str, msgspec.Meta(min_length=1)]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One item of the file: a token and the identity it stands for."""

    token: str
    user_id: Id
    project_id: Id | None = None
    roles: frozenset[str] = frozenset()
    scope: Scope = "project"
    user_domain_id: Id | None = None
    project_domain_id: Id | None = None
    domain_id: Id | None = None
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None

    def __repr__(self) -> str:
        return f"Entry(user_id={self.user_id!r})"

    def caller(self) -> Caller:
        """Give the identity, its roles in lower case."""
        fields = msgspec.structs.asdict(self)
        del fields["token"]
        return Caller(**fields | {"roles": frozenset(role.lower() for role in self.roles)})


class StaticVerifier:
    """Verifies tokens known in advance; only their hashes are kept, so neither reprs nor lookup times tell them."""

    def __init__(self, callers: Mapping[str, Caller], *, wall: Callable[[], float] = time.time) -> None:
        self._callers = {token_digest(token): caller for token, caller in callers.items()}
        self._wall = wall

    async def verify(self, token: str, *, allow_expired: bool = False) -> Caller | None:
        """Look the token up; with `allow_expired`, however long ago it expired."""
        caller = self._callers.get(token_digest(token))
        if caller is None or caller.expires_at is None or allow_expired:
            return caller
        return caller if self._wall() < caller.expires_at.timestamp() else None

    async def endpoints(self, token: str, kind: str) -> Sequence[Endpoint]:
        """List none: there is no catalog."""
        return ()

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""


def read_tokens(path: str) -> dict[str, Caller]:
    """Read a YAML list of `Entry` items into callers by token.

    Raises SettingsError naming the file, the number of the entry counted from 1, and the field; never a token.
    """
    items = _parse(path)
    if not isinstance(items, list):
        raise SettingsError(f"{path} is not a list of tokens; an entry starts with `- token:`.")
    callers: dict[str, Caller] = {}
    for number, item in enumerate(items, start=1):
        try:
            entry = _entry(item, taken=callers)
        except msgspec.ValidationError as error:
            raise SettingsError(f"{path}, entry {number}: {error}.") from None
        callers[entry.token] = entry.caller()
    return callers


def _parse(path: str) -> Any:
    import yaml  # noqa: PLC0415 - a MiB, for which verifying by Keystone has no use

    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not UTF-8 text.") from None
    except yaml.YAMLError as error:
        # The error's own text quotes the file, tokens and all.
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise SettingsError(f"{path} is not YAML{place}.") from None


def _entry(item: Any, taken: Container[str]) -> Entry:
    if isinstance(item, dict) and not item.keys() <= set(Entry.__struct_fields__):
        # The unknown name is not shown: it may be a token put where a name belongs.
        raise msgspec.ValidationError(f"a field is none of {', '.join(Entry.__struct_fields__)}")
    entry = msgspec.convert(item, Entry)
    if not could_be_token(entry.token):
        raise msgspec.ValidationError("`token` is not 1 to 4096 visible ASCII characters")
    if entry.token in taken:
        raise msgspec.ValidationError("`token` is that of an earlier entry")
    for scope, id_ in (("project", entry.project_id), ("domain", entry.domain_id)):
        if (entry.scope == scope) != (id_ is not None):
            raise msgspec.ValidationError(f"`{scope}_id` goes with `scope: {scope}` and with no other scope")
    return entry
