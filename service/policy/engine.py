"""The rules in force: the defaults, an operator's file over them, and its changes while the service runs."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from service.caller import Caller
from service.policy.defaults import RULES
from service.policy.language import Check, PolicyError, Target, compile_rules

log = logging.getLogger(__name__)

FileStamp = tuple[int, ...]

_NO_TARGET: Final[Mapping[str, object]] = {}


class Policy:
    """Decides by named rules. Its rules are replaced all at once, so that a decision never meets half a change."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks

    def allows(self, rule: str, caller: Caller, target: Target) -> bool:
        """Tell whether the rule lets the caller do it to the target; KeyError for a rule that does not exist.

        Tokens of a system or a domain pass no rule: all are for projects (reference section 0.2).
        """
        check = self._checks[rule]
        return caller.scope not in {"system", "domain"} and check(target, caller)

    def defines(self, rule: str) -> bool:
        """Tell whether there is a rule of this name; an operator's own may be gone with the next file."""
        return rule in self._checks

    def is_admin(self, caller: Caller) -> bool:
        """Tell whether the rule `context_is_admin` holds for the caller, whatever it is that they act upon."""
        return self._checks["context_is_admin"](_NO_TARGET, caller)

    def replace(self, checks: Mapping[str, Check]) -> None:
        """Decide by these rules from now on."""
        self._checks = checks


def load_policy(path: str | None) -> Policy:
    """Build the policy of the defaults with the rules of an operator's YAML file over them, if there is one.

    Raises PolicyError, naming the file and the rule, when anything in the file cannot be used.
    """
    return Policy(read_rules(path))


def read_rules(path: str | None) -> dict[str, Check]:
    """Read and compile the rules that `load_policy` would put in force; raises PolicyError alike."""
    defaults = {rule.name: rule.check for rule in RULES}
    try:
        overrides = _read_file(path) if path else {}
        # The operator's rules come first, so that a cycle through a default is told as theirs.
        return compile_rules(overrides | defaults | overrides)
    except PolicyError as error:
        raise PolicyError(error.reason, rule=error.rule, path=path) from None


def _read_file(path: str) -> dict[str, str]:
    import yaml  # noqa: PLC0415 - a MiB, and most clouds have no such file

    try:
        rules = yaml.safe_load(Path(path).read_bytes())
    except OSError as error:
        raise PolicyError(f"cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise PolicyError(f"is not YAML: {' '.join(str(error).split())}") from None
    if rules is None:
        return {}
    if not isinstance(rules, dict):
        raise PolicyError('must be a mapping of rules, such as `"get_image": "role:reader"`')
    return {_name(name): _text(name, rule) for name, rule in rules.items()}


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise PolicyError("names of rules must be text; put this one in quotes", rule=str(name))
    return name


def _text(name: str, rule: Any) -> str:
    """Give a rule as text. A list is oslo's old language: any of its items suffices, of a list in it all are needed."""
    if isinstance(rule, list):
        return " or ".join(_all_needed(name, item) for item in rule if item) or ("!" if rule else "")
    if not isinstance(rule, str):
        kind = "empty" if rule is None else f"of type {type(rule).__name__}"
        raise PolicyError(f'must be text in quotes ("@" for everybody, "!" for nobody), but is {kind}', rule=name)
    return rule


def _all_needed(name: str, item: Any) -> str:
    checks = item if isinstance(item, list) else [item]
    return " and ".join(f"({_text(name, check)})" for check in checks)


async def watch_policy(policy: Policy, path: str, interval: float) -> None:
    """Put the file's rules in force whenever it changed; looks every `interval` seconds until cancelled.

    The first look reads the file in any case, so that no change since `load_policy` is missed.
    """
    stamp = None
    while True:
        await asyncio.sleep(interval)
        stamp = await asyncio.to_thread(refresh, policy, path, stamp)


def refresh(policy: Policy, path: str, stamp: FileStamp | None) -> FileStamp:
    """Put the file's rules in force unless the file is the one of `stamp`; return the stamp that it has now.

    A file that cannot be used is logged once, as an error that names the file and the rule, and changes nothing.
    """
    found = _stamp(path)
    if found == stamp:
        return found
    try:
        policy.replace(read_rules(path))
    except PolicyError as error:
        log.error("The policy stays as it was: %s", error)  # noqa: TRY400 - the text says it all, a trace nothing
    else:
        log.info("The policy is now that of %s", path)
    return found


def _stamp(path: str) -> FileStamp:
    # The inode is part of it because Kubernetes changes a mounted file by swapping a symbolic link on the way to it.
    try:
        stat = Path(path).stat()
    except OSError:
        return ()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
