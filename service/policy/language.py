"""The oslo.policy check language: rules as operators write them, compiled once to closures."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from service.caller import Caller


class PolicyError(Exception):
    """A rule or a file of rules cannot be used; the text names the file, the rule and what is wrong."""

    def __init__(self, reason: str, *, rule: str | None = None, path: str | None = None) -> None:
        places = ([path] if path else []) + ([f"rule {rule!r}"] if rule else [])
        super().__init__(": ".join([*places, reason]))
        self.reason = reason
        self.rule = rule


class Target(Protocol):
    """What a rule may ask of the thing that is acted upon; every mapping is one."""

    def get(self, name: str, default: object, /) -> object:
        """Give what is known by this name, None for a null, or `default` when nothing is."""


Check = Callable[[Target, Caller], bool]
_Words = Callable[[Target], str | None]

_ABSENT: Final = object()
_PIECES = re.compile(r"%\((?P<name>[^()]+)\)s|(?P<text>%%|[^%]+)|(?P<stray>%)")


def compile_rules(texts: Mapping[str, str]) -> dict[str, Check]:
    """Compile named rules, which may refer to each other with `rule:name`.

    The language is that of oslo.policy's documentation, with these differences, each on the safe side: a null
    equals nothing but the literal `None` (in oslo a caller without a project equals an image without an owner); a
    reference to an undefined rule, a cycle, text that does not parse and a remote check (`http:`, `https:`) raise
    PolicyError, which names the rule, instead of being decided at request time.
    """
    compiler = _Compiler(texts)
    return {name: compiler.check(name) for name in texts}


class _Fault(ValueError):
    """What is wrong with the rule being compiled; the compiler adds its name."""


class _Compiler:
    """Compiles each rule when first asked for it, so that a reference becomes the other rule's closure."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._checks: dict[str, Check] = {}
        self._trail: list[str] = []

    def check(self, name: str) -> Check:
        if name not in self._checks:
            self._checks[name] = self._compile(name)
        return self._checks[name]

    def _compile(self, name: str) -> Check:
        self._trail.append(name)
        try:
            return _Parser(self._texts[name], self._refer).parse()
        except _Fault as fault:
            raise PolicyError(str(fault), rule=name) from None
        except RecursionError:
            raise PolicyError("is nested too deeply", rule=name) from None
        finally:
            self._trail.pop()

    def _refer(self, name: str) -> Check:
        if name not in self._texts:
            raise _Fault(f"refers to the rule {name!r}, which is not defined")
        if name in self._trail:
            circle = [*self._trail[self._trail.index(name) :], name]
            raise PolicyError(f"refers to itself: {' -> '.join(circle)}", rule=name)
        return self.check(name)


class _Parser:
    """One rule's text on its way to a closure, by recursive descent: `or` binds loosest, then `and`, then `not`."""

    def __init__(self, text: str, refer: Callable[[str], Check]) -> None:
        self._text = text
        self._ahead = [*_tokens(text)][::-1]
        self._refer = refer

    def parse(self) -> Check:
        if not self._text:
            return _everybody
        check = self._either()
        if self._ahead:
            raise _Fault(f"does not parse: {self._ahead[-1]!r} follows a complete rule")
        return check

    def _either(self) -> Check:
        return self._chain("or", self._both, _any_of)

    def _both(self) -> Check:
        return self._chain("and", self._one, _all_of)

    def _chain(self, word: str, operand: Callable[[], Check], join: Callable[[list[Check]], Check]) -> Check:
        checks = [operand()]
        while self._ahead and self._ahead[-1].lower() == word:
            self._ahead.pop()
            checks.append(operand())
        return join(checks) if len(checks) > 1 else checks[0]

    def _one(self) -> Check:
        token = self._take("a check")
        match token.lower():
            case "@":
                return _everybody
            case "!":
                return _nobody
            case "not":
                return _negation_of(self._one())
            case "(":
                return self._enclosed()
        return self._simple(token)

    def _enclosed(self) -> Check:
        check = self._either()
        end = self._take("')'")
        if end != ")":
            raise _Fault(f"does not parse: {end!r} stands where ')' must follow")
        return check

    def _take(self, wanted: str) -> str:
        if not self._ahead:
            raise _Fault(f"does not parse: it ends where {wanted} must follow")
        return self._ahead.pop()

    def _simple(self, token: str) -> Check:
        kind, colon, match = token.partition(":")
        quoted = token[0] == token[-1] and token[0] in "'\""
        if not colon or quoted:
            raise _Fault(f"does not parse: {token!r} is no check; a check is @, ! or kind:match without blanks")
        if kind in {"http", "https"}:
            raise _Fault(f"asks another server ({token!r}), which is not supported")
        if kind == "rule":
            return self._refer(match)
        return _role(match) if kind == "role" else _comparison(kind, match)


def _tokens(text: str) -> Iterator[str]:
    # Parentheses count at the ends of a word only: those of %(name)s are inside one.
    for word in text.split():
        inner = word.lstrip("(")
        check = inner.rstrip(")")
        yield from "(" * (len(word) - len(inner))
        if check:
            yield check
        yield from ")" * (len(inner) - len(check))


def _everybody(_target: Target, _caller: Caller) -> bool:
    return True


def _nobody(_target: Target, _caller: Caller) -> bool:
    return False


def _negation_of(check: Check) -> Check:
    return lambda target, caller: not check(target, caller)


def _any_of(checks: list[Check]) -> Check:
    def check(target: Target, caller: Caller) -> bool:
        for one in checks:  # noqa: SIM110 - any() over a generator takes four times as long
            if one(target, caller):
                return True
        return False

    return check


def _all_of(checks: list[Check]) -> Check:
    def check(target: Target, caller: Caller) -> bool:
        for one in checks:  # noqa: SIM110 - as above
            if not one(target, caller):
                return False
        return True

    return check


def _role(match: str) -> Check:
    if "%" not in match:
        role = match.lower()
        return lambda _target, caller: role in caller.roles
    words = _template(match, null=None)

    def check(target: Target, caller: Caller) -> bool:
        wanted = words(target)
        return wanted is not None and wanted.lower() in caller.roles

    return check


def _comparison(kind: str, match: str) -> Check:
    """Compare a literal (`'public'`, `True`, `None`) or a credential (`user_id`, `a.b`) with a template's words."""
    try:
        literal = str(ast.literal_eval(kind))
    except ValueError:
        return _credential(kind, _template(match, null=None))
    except (SyntaxError, TypeError):
        raise _Fault(f"does not parse: {kind!r} is neither a literal nor the name of a credential") from None
    words = _template(match, null="None")
    return lambda target, _caller: words(target) == literal


def _credential(kind: str, words: _Words) -> Check:
    name, *path = kind.split(".")

    def check(target: Target, caller: Caller) -> bool:
        wanted = words(target)
        if wanted is None:
            return False
        held = caller.credentials.get(name)
        if isinstance(held, str):  # as nearly every credential is, and so spared the search
            return held == wanted and not path
        return _holds(held, path, wanted)

    return check


def _holds(held: Any, path: list[str], wanted: str) -> bool:
    """Tell whether what is held, or below it at `path`, reads as wanted; of a list, whether one item does."""
    if held is None:
        return False
    if isinstance(held, list):
        return any(_holds(item, path, wanted) for item in held)
    if path:
        return isinstance(held, Mapping) and _holds(held.get(path[0]), path[1:], wanted)
    return str(held) == wanted


def _template(text: str, *, null: str | None) -> _Words:
    """Compile text with `%(name)s` in it; a null in the target reads as `null`, and None in any place makes it None."""
    pieces = [_piece(match, null) for match in _PIECES.finditer(text)]
    if len(pieces) == 1:
        return pieces[0]

    def words(target: Target) -> str | None:
        said = [word for piece in pieces if (word := piece(target)) is not None]
        return "".join(said) if len(said) == len(pieces) else None

    return words


def _piece(match: re.Match[str], null: str | None) -> _Words:
    if match["stray"]:
        raise _Fault("does not parse: '%' begins no %(name)s; write %% for the sign itself")
    if match["text"]:
        text = match["text"].replace("%%", "%")
        return lambda _target: text
    name = match["name"]

    def word(target: Target) -> str | None:
        value = target.get(name, _ABSENT)
        if value is None:
            return null
        return None if value is _ABSENT else str(value)

    return word
