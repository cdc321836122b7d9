"""A real Keystone for the tests: installed once into a cache folder, started on loopback with fernet tokens."""

import base64
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import msgspec

from tests.environments import installed

LOCK = Path(__file__).with_name("keystone.lock")
REGION = "RegionOne"

# Of the configuration of a service that validates tokens, as the user `vitrine`.
AUTHTOKEN = """[keystone_authtoken]
www_authenticate_uri = {keystone}/v3
auth_url = {keystone}/v3
auth_type = password
username = vitrine
password = {password}
project_name = service
user_domain_name = Default
project_domain_name = Default
"""
CONFIG = """
[database]
connection = {database}
[fernet_tokens]
key_repository = {folder}/keys
[fernet_receipts]
key_repository = {folder}/keys
[token]
expiration = {token_seconds}
[identity]
# The cheapest hash bcrypt offers: these passwords live as long as the test run.
password_hash_rounds = 4
"""

MANAGE = "import sys; from keystone.cmd.manage import main; sys.exit(main())"
SERVE = """
import socket, sys, waitress
listener = socket.socket(fileno=int(sys.argv.pop()))
from keystone.wsgi.api import application
waitress.serve(application, sockets=[listener])
"""


class Reply(NamedTuple):
    """What Keystone answered."""

    headers: Mapping[str, str]
    body: Any


class Keystone:
    """A running Keystone with projects `demo`, `alt` and `service`, and users who all have the same password.

    `demo` and `alt` are members of their projects, `reader` reads in `demo`, `manager` manages it, `vitrine` and `nova`
    have the role `service` in the project `service`, `nova` is an administrator there too, `vitrine` reads the system,
    and `admin` administers the system and the projects `admin` and `demo`.
    """

    def __init__(self, url: str, brief_url: str, password: str) -> None:
        self.url = url
        self.password = password
        self._brief_url = brief_url

    def call(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        """Send one request; `X_Auth_Token=...` becomes a header. Raises RuntimeError unless the answer is 2xx."""
        return self._call(self.url, method, path, body, headers)

    def _call(self, url: str, method: str, path: str, body: object, headers: Mapping[str, str]) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["Content-Type"] = "application/json"
        data = None if body is None else msgspec.json.encode(body)
        request = Request(f"{url}/v3{path}", data, named, method=method)
        try:
            with build_opener(ProxyHandler({})).open(request, timeout=60) as response:
                text = response.read()
                return Reply(response.headers, msgspec.json.decode(text) if text else None)
        except HTTPError as error:
            with error:
                raise RuntimeError(f"{method} {path} answered {error.code}: {error.read()!r}") from None

    def login(self, user: str, **scope: str) -> str:
        """Get a token: `project="demo"`, `domain="Default"`, `system="all"`, or an unscoped one."""
        return self._login(self.url, user, scope).headers["X-Subject-Token"]

    def expired_token(self, user: str, **scope: str) -> str:
        """Get a token as `login` does, and wait the second until it has expired."""
        reply = self._login(self._brief_url, user, scope)
        ends = datetime.fromisoformat(reply.body["token"]["expires_at"])
        time.sleep(max(0.0, ends.timestamp() - time.time()))
        return reply.headers["X-Subject-Token"]

    def revoke(self, token: str) -> None:
        """Make a token invalid."""
        self.call("DELETE", "/auth/tokens", X_Auth_Token=token, X_Subject_Token=token)

    def user_id(self, name: str) -> str:
        """Look a user up."""
        return self._find("users", name)

    def project_id(self, name: str) -> str:
        """Look a project up."""
        return self._find("projects", name)

    def add_application_credential(self, user: str, project: str, **fields: object) -> tuple[str, str]:
        """Create an application credential; gives its id and its secret."""
        token = self.login(user, project=project)
        wanted = {"application_credential": {"name": secrets.token_hex(8), **fields}}
        path = f"/users/{self.user_id(user)}/application_credentials"
        made = self.call("POST", path, wanted, X_Auth_Token=token).body["application_credential"]
        return made["id"], made["secret"]

    def login_application_credential(self, id_: str, secret: str) -> str:
        """Get a token by an application credential."""
        proof = {"methods": ["application_credential"], "application_credential": {"id": id_, "secret": secret}}
        return self.call("POST", "/auth/tokens", {"auth": {"identity": proof}}).headers["X-Subject-Token"]

    def administer(self, method: str, path: str, body: object = None) -> Any:
        """Send one request as the administrator; give the body of the answer."""
        return self.call(method, path, body, X_Auth_Token=self._admin).body

    def populate(self) -> None:
        """Create the region, the projects, the users, and the catalog's entry of Keystone itself."""
        self.administer("POST", "/regions", {"region": {"id": REGION}})
        for project in ("demo", "alt", "service"):
            self._add("project", name=project)
        for user in ("demo", "alt", "reader", "manager", "vitrine", "nova"):
            self._add("user", name=user, password=self.password)
        for user, project, role in (
            ("demo", "demo", "member"),
            ("alt", "alt", "member"),
            ("reader", "demo", "reader"),
            ("manager", "demo", "manager"),
            ("admin", "demo", "admin"),
            ("vitrine", "service", "service"),
            ("nova", "service", "service"),
            ("nova", "service", "admin"),
        ):
            self._grant(f"/projects/{self.project_id(project)}", user, role)
        self._grant("/domains/default", "admin", "admin")
        # Whoever verifies tokens with keystonemiddleware looks Keystone up in its own catalog.
        self.register("identity", "keystone", f"{self.url}/v3")
        self._grant("/system", "vitrine", "reader")

    def register(self, kind: str, name: str, url: str) -> None:
        """Put a service into the catalog, as `REGION` has it."""
        service = self.administer("POST", "/services", {"service": {"type": kind, "name": name}})["service"]["id"]
        for interface in ("public", "internal", "admin"):
            fields = {"interface": interface, "url": url, "region_id": REGION, "service_id": service}
            self.administer("POST", "/endpoints", {"endpoint": fields})

    @cached_property
    def _admin(self) -> str:
        return self.login("admin", project="admin")

    def _login(self, url: str, user: str, scope: Mapping[str, str]) -> Reply:
        proof = {"name": user, "domain": {"name": "Default"}, "password": self.password}
        identity = {"methods": ["password"], "password": {"user": proof}}
        body = {"auth": {"identity": identity, "scope": _scope(**scope) if scope else "unscoped"}}
        return self._call(url, "POST", "/auth/tokens", body, {})

    def _add(self, kind: str, **fields: str) -> None:
        self.administer("POST", f"/{kind}s", {kind: fields})

    def _grant(self, place: str, user: str, role: str) -> None:
        path = f"{place}/users/{self.user_id(user)}/roles/{self._find('roles', role)}"
        self.administer("PUT", path)

    def _find(self, kind: str, name: str) -> str:
        found = self.administer("GET", f"/{kind}?name={name}")[kind]
        return str(found[0]["id"])


@contextmanager
def running_keystone(folder: Path, database: str | None = None) -> Iterator[Keystone]:
    """Run Keystone with its data in an empty folder: twice, one issuing tokens for an hour, the other for a second.

    SQLite will do for a few users. Who changes them from several sides at once needs an empty PostgreSQL database.
    """
    python = installed(LOCK)
    password = secrets.token_urlsafe()
    (folder / "keys").mkdir(mode=0o700)
    for number in ("0", "1"):
        (folder / "keys" / number).write_bytes(base64.urlsafe_b64encode(secrets.token_bytes(32)))
    where = (database or f"sqlite:///{folder}/keystone.sqlite").replace("postgresql://", "postgresql+psycopg2://")
    hourly, brief = (_config(folder, where, seconds) for seconds in (3600, 1))
    for command in ("db_sync", "bootstrap"):
        _run([python, "-c", MANAGE, "--config-file", hourly, command], folder, {"OS_BOOTSTRAP_PASSWORD": password})
    with _serving(python, folder, hourly) as url, _serving(python, folder, brief) as brief_url:
        keystone = Keystone(url, brief_url, password)
        try:
            keystone.populate()
        except (OSError, RuntimeError) as error:
            error.add_note((folder / "keystone.log").read_text()[-4000:])
            raise
        yield keystone


def _config(folder: Path, database: str, token_seconds: int) -> Path:
    path = folder / f"keystone-{token_seconds}.conf"
    path.write_text(CONFIG.format(folder=folder, database=database, token_seconds=token_seconds))
    return path


def _run(command: list[str | Path], folder: Path, environ: Mapping[str, str]) -> None:
    result = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{command[-1]} failed:\n{result.stderr[-4000:]}")


@contextmanager
def _serving(python: Path, folder: Path, config: Path) -> Iterator[str]:
    # Requests queue in the socket that the process inherits, so nobody needs to wait until it is up.
    with socket.create_server(("127.0.0.1", 0)) as listener, (folder / "keystone.log").open("ab") as log:
        handle, port = listener.fileno(), listener.getsockname()[1]
        process = subprocess.Popen(
            [python, "-c", SERVE, str(handle)],
            pass_fds=[handle],
            cwd=folder,
            env={"OS_KEYSTONE_CONFIG_FILES": str(config)},
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _scope(**scope: str) -> dict[str, Any]:
    ((kind, name),) = scope.items()
    if kind == "system":
        return {"system": {"all": True}}
    domain = {"name": "Default"}
    return {kind: {"name": name, "domain": domain} if kind == "project" else domain}
