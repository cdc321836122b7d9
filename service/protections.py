"""Property protections: which roles may create, read, update and delete which additional properties (section 10.1)."""

import configparser
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

import msgspec

from service.caller import Caller
from service.image_names import RESERVED_PREFIX
from service.policy.engine import Policy
from service.settings import SettingsError

Action = Literal["create", "read", "update", "delete"]
RuleFormat = Literal["roles", "policies"]
Allows = Callable[[Caller], bool]

ACTIONS: tuple[Action, ...] = get_args(Action)
# Names whose section is remembered; callers choose names, so there has to be an end to it.
REMEMBERED = 4096
# Glance gives rules about properties no image to ask about either: what they decide depends on the caller alone.
NO_TARGET: Mapping[str, object] = MappingProxyType({})


class Section(msgspec.Struct, frozen=True):
    """One section of the file: the names that it is about, and who may do what to properties so called."""

    names: re.Pattern[str]
    allows: Mapping[Action, Allows]


class Protections:
    """What an operator's file says of properties; without one, everybody who may touch the image may all."""

    def __init__(self, sections: Sequence[Section] | None = None) -> None:
        self._sections = sections
        self._section_of = lru_cache(REMEMBERED)(self._find)

    def may(self, action: Action, name: str, caller: Caller) -> bool:
        """Tell whether the caller may do this to the property of that name; a name in no section is nobody's."""
        if self._sections is None:
            return True
        section = self._section_of(name)
        return section is not None and section.allows[action](caller)

    def unreadable(self, names: Iterable[str], caller: Caller) -> tuple[str, ...]:
        """Choose those of the names that the caller may not read, sorted: drivers keep properties in any order."""
        if self._sections is None:
            return ()
        return tuple(sorted(name for name in names if not self.may("read", name, caller)))

    def _find(self, name: str) -> Section | None:
        return next((section for section in self._sections or () if section.names.search(name)), None)


def read_protections(path: str | None, rule_format: RuleFormat, policy: Policy) -> Protections:
    """Read an operator's file; without a path, nothing is protected.

    The file is an INI file as `configparser` reads it. A section's name is a regular expression, searched anywhere in
    a property's name; the first section that matches decides. Each has `create`, `read`, `update` and `delete`: roles
    separated by commas, or with the format `policies` the name of one rule of `policy`; `@` is everybody, `!` or
    nothing is nobody. Names that begin with `os_glance` are the service's own and never protected, whatever the file
    says. A rule that a later policy file no longer has lets nobody pass.

    Raises SettingsError naming the file, the section and the option, and what to do.
    """
    if path is None:
        return Protections()
    reader = _Reader(path, rule_format, policy)
    return Protections([_own_section(), *reader.sections()])


def _own_section() -> Section:
    # Glance searches this one anywhere too, so that a caller escapes protection by a name such as `x_os_glance`.
    return Section(re.compile(f"^{RESERVED_PREFIX}"), dict.fromkeys(ACTIONS, _everybody))


class _Reader:
    """One file on its way to sections; every complaint begins with the file and where in it."""

    def __init__(self, path: str, rule_format: RuleFormat, policy: Policy) -> None:
        self._path = path
        self._read_rule = self._roles if rule_format == "roles" else self._policy_rule
        self._policy = policy

    def sections(self) -> Iterator[Section]:
        parser = self._parsed()
        for name in parser.sections():
            if not name.startswith(RESERVED_PREFIX):
                pattern = self._pattern(name)
                yield Section(pattern, {action: self._allows(parser, name, action) for action in ACTIONS})

    def _parsed(self) -> configparser.ConfigParser:
        parser = configparser.ConfigParser()
        try:
            parser.read_string(Path(self._path).read_text(encoding="utf-8"), source=self._path)
        except OSError as error:
            raise self._fault(f"cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise self._fault("is not UTF-8 text") from None
        except configparser.Error as error:
            words = " ".join(str(error).split())
            raise self._fault(f"is no list of [sections] with lines such as `read = admin`: {words}") from None
        return parser

    def _pattern(self, name: str) -> re.Pattern[str]:
        try:
            return re.compile(name)
        except (re.error, OverflowError, RecursionError) as error:
            raise self._fault(f"is no regular expression ({error}); correct the section's name", name) from None

    def _allows(self, parser: configparser.ConfigParser, section: str, action: Action) -> Allows:
        try:
            text = parser.get(section, action)
        except configparser.NoOptionError:
            raise self._fault(f"has no `{action}`; add it, with ! if nobody may", section) from None
        except configparser.InterpolationError:
            raise self._fault("holds a % that begins no %(option)s; write %% for the sign", section, action) from None
        words = {word.strip() for word in text.split(",")} - {""}
        if {"@", "!"} <= words:
            raise self._fault("says both @ (everybody) and ! (nobody); keep one", section, action)
        if not words or "!" in words:
            return _nobody
        return _everybody if "@" in words else self._read_rule(words, section, action)

    def _roles(self, words: set[str], _section: str, _action: Action) -> Allows:
        roles = frozenset(word.lower() for word in words)
        return lambda caller: not (roles.isdisjoint(caller.roles) and roles.isdisjoint(caller.service_roles))

    def _policy_rule(self, words: set[str], section: str, action: Action) -> Allows:
        rule, *more = sorted(words)
        if more:
            raise self._fault("names several policy rules; combine them to one in the policy file", section, action)
        if not self._policy.defines(rule):
            raise self._fault(f"names {rule!r}, which is no policy rule; define it in the policy file", section, action)
        policy = self._policy
        return lambda caller: policy.defines(rule) and policy.allows(rule, caller, NO_TARGET)

    def _fault(self, text: str, section: str | None = None, action: Action | None = None) -> SettingsError:
        where = "".join([f", [{section}]" if section else "", f", {action}" if action else ""])
        return SettingsError(f"The property protections in {self._path}{where}: {text}.")


def _everybody(_caller: Caller) -> bool:
    return True


def _nobody(_caller: Caller) -> bool:
    return False
