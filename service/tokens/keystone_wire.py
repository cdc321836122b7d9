"""Keystone's Identity API v3 on the wire: the bodies of `/v3/auth/tokens`, sent and received."""

from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec
from yarl import URL

from service.caller import Caller, Scope
from service.settings import Secret
from service.tokens.protocol import Endpoint

_T = TypeVar("_T")
_Id = Annotated[str, msgspec.Meta(min_length=1)]
_Time = Annotated[datetime, msgspec.Meta(tz=True)]


class _Domain(msgspec.Struct):
    id: _Id


class _Owned(msgspec.Struct):
    id: _Id
    domain: _Domain


class _Role(msgspec.Struct):
    name: str


class _System(msgspec.Struct):
    all: bool = False


class _Token(msgspec.Struct):
    user: _Owned
    expires_at: _Time
    roles: list[_Role] = []
    project: _Owned | None = None
    domain: _Domain | None = None
    system: _System | None = None

    def caller(self) -> Caller:
        return Caller(
            user_id=self.user.id,
            project_id=self.project.id if self.project else None,
            roles=frozenset(role.name.lower() for role in self.roles),
            scope=self.scope(),
            user_domain_id=self.user.domain.id,
            project_domain_id=self.project.domain.id if self.project else None,
            domain_id=self.domain.id if self.domain else None,
            expires_at=self.expires_at,
        )

    def scope(self) -> Scope:
        if self.project:
            return "project"
        if self.domain:
            return "domain"
        return "system" if self.system and self.system.all else "unscoped"


class _Validation(msgspec.Struct):
    token: _Token


class _CatalogEndpoint(msgspec.Struct):
    url: str
    interface: str
    region: str | None = None
    region_id: str | None = None


class _CatalogService(msgspec.Struct):
    type: str
    endpoints: list[_CatalogEndpoint] = []


class _Catalog(msgspec.Struct):
    catalog: list[_CatalogService] = []


class _CatalogAnswer(msgspec.Struct):
    token: _Catalog


class _Lifetime(msgspec.Struct):
    expires_at: _Time


class _Login(msgspec.Struct):
    token: _Lifetime


class _Error(msgspec.Struct):
    code: int


class _Failure(msgspec.Struct):
    error: _Error


def v3_url(base: str) -> URL:
    """Give the URL of version 3 for a base URL with or without `/v3`.

    User and password, query and fragment of the base are dropped. Raises ValueError for what is no URL.
    """
    url = URL(base).with_user(None).with_query(None)
    path = url.path.rstrip("/").removesuffix("/v3")
    return url.with_path(f"{path}/v3")


def project_scope(project: str, domain: str) -> dict[str, Any]:
    """Write the scope of a project; both are names."""
    return {"project": {"name": project, "domain": {"name": domain}}}


def system_scope() -> dict[str, Any]:
    """Write the scope of the whole deployment."""
    return {"system": {"all": True}}


def password_login(username: str, password: Secret, *, user_domain: str, scope: dict[str, Any]) -> Secret:
    """Write the request body that logs a user in to a scope; the domain is a name."""
    user = {"name": username, "domain": {"name": user_domain}, "password": password.reveal()}
    return _login_body("password", {"user": user}, scope=scope)


def application_credential_login(id_: str, secret: Secret) -> Secret:
    """Write the request body that logs an application credential in; it brings its own project."""
    return _login_body("application_credential", {"id": id_, "secret": secret.reveal()})


def _login_body(method: str, proof: dict[str, Any], **scope: Any) -> Secret:
    body = {"auth": {"identity": {"methods": [method], method: proof}, **scope}}
    return Secret(msgspec.json.encode(body).decode())


def read_caller(body: bytes) -> Caller | None:
    """Read the answer to a validation; None when it describes no token."""
    answer = decode(body, _Validation)
    return answer.token.caller() if answer else None


def read_endpoints(body: bytes, kind: str) -> list[Endpoint] | None:
    """Read the services of a kind in the catalog of a validation; None when the answer describes no token."""
    answer = decode(body, _CatalogAnswer)
    if answer is None:
        return None
    services = (service for service in answer.token.catalog if service.type == kind)
    endpoints = (endpoint for service in services for endpoint in service.endpoints)
    return [Endpoint(each.region or each.region_id or "", each.interface, each.url) for each in endpoints]


def read_login_expiry(body: bytes) -> datetime | None:
    """Read when the token of a login ends; None when the answer describes no token."""
    answer = decode(body, _Login)
    return answer.token.expires_at if answer else None


def is_keystone_error(body: bytes, status: int) -> bool:
    """Tell whether the body is Keystone's own account of this status, not some proxy's page."""
    answer = decode(body, _Failure)
    return answer is not None and answer.error.code == status


def decode(body: bytes, kind: type[_T]) -> _T | None:
    """Read a body as JSON of some type; None when it is not that."""
    try:
        return msgspec.json.decode(body, type=kind)
    # msgspec's own errors are ValueErrors; so is UnicodeDecodeError, and deep nesting is a RecursionError.
    except (ValueError, RecursionError):
        return None
