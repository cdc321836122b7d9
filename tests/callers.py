"""The people of the tests: a token each, and the headers that carry it."""

from collections.abc import Mapping

from service.caller import Caller
from service.tokens.static import StaticVerifier

OWNER = "p1"
OTHER = "p2"


def caller(user: str, project: str | None, *roles: str, **fields: str) -> Caller:
    """Make a caller by name, project and roles."""
    return Caller(user_id=user, project_id=project, roles=frozenset(roles), **fields)  # type: ignore[arg-type]


CALLERS: Mapping[str, Caller] = {
    "ann": caller("ann", OWNER, "member", "reader"),
    "rita": caller("rita", OWNER, "reader"),
    "mona": caller("mona", OWNER, "member"),
    "bob": caller("bob", OTHER, "member", "reader"),
    "admin": caller("admin", "operators", "admin", "member", "reader"),
    "sys": caller("sys", None, "admin", "member", "reader", scope="system"),
    "nobody": caller("nobody", None, scope="unscoped"),
}


def people() -> StaticVerifier:
    """Make the verifier that knows them: each one's token is `token-of-` and the name."""
    return StaticVerifier({f"token-of-{name}": caller for name, caller in CALLERS.items()})


def by(name: str, **headers: str) -> dict[str, str]:
    """Give the headers of a request by one of them; underscores in the other headers' names become hyphens."""
    return {"X-Auth-Token": f"token-of-{name}"} | {key.replace("_", "-"): value for key, value in headers.items()}
