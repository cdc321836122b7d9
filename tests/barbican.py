"""A real Barbican for the tests: installed once into a cache folder, started on loopback, its callers Keystone's."""

import base64
import os
import secrets
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import msgspec

from tests.environments import installed
from tests.keystone import AUTHTOKEN, Keystone

LOCK = Path(__file__).with_name("barbican.lock")

CONFIG = (
    """
[DEFAULT]
db_auto_create = true
host_href = {url}
[database]
connection = sqlite:///{folder}/barbican.sqlite
[simple_crypto_plugin]
kek = {key}
"""
    + AUTHTOKEN
)
PIPELINE = """
[composite:main]
use = egg:Paste#urlmap
/v1: api
[pipeline:api]
pipeline = authtoken context microversion secrets
[app:secrets]
paste.app_factory = barbican.api.app:create_main_app
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
[filter:context]
paste.filter_factory = barbican.api.middleware.context:ContextMiddleware.factory
[filter:microversion]
paste.filter_factory = barbican.api.middleware.microversion:MicroversionMiddleware.factory
"""
SERVE = """
import socket, sys, waitress
from paste import deploy
listener = socket.socket(fileno=int(sys.argv[1]))
waitress.serve(deploy.loadapp("config:" + sys.argv[2]), sockets=[listener], threads=1)
"""


class Barbican(NamedTuple):
    """A running Barbican; whoever has a project's token keeps secrets in it."""

    url: str
    log: Path

    def keep(self, payload: str, token: str, kind: str = "certificate") -> str:
        """Keep a secret of a kind; give its id."""
        wanted = {"secret_type": kind, "payload": payload, "payload_content_type": "text/plain"}
        headers = {"X-Auth-Token": token, "Content-Type": "application/json"}
        request = Request(f"{self.url}/v1/secrets", msgspec.json.encode(wanted), headers)
        try:
            with build_opener(ProxyHandler({})).open(request, timeout=60) as response:
                return str(msgspec.json.decode(response.read())["secret_ref"]).rpartition("/")[2]
        except HTTPError as error:
            with error:
                told = self.log.read_text(errors="replace")[-4000:]
                raise RuntimeError(f"Barbican answered {error.code}: {error.read()!r}\n{told}") from None


@contextmanager
def running_barbican(folder: Path, keystone: Keystone) -> Iterator[Barbican]:
    """Run Barbican with its secrets in an empty folder."""
    python, log = installed(LOCK), folder / "barbican.log"
    pipeline = folder / "paste.ini"
    pipeline.write_text(PIPELINE)
    # Where a service looks for its configuration that nobody names one for.
    config = folder / ".barbican" / "barbican.conf"
    config.parent.mkdir()
    # Requests queue in the socket that the process inherits, so nobody needs to wait until it is up.
    with socket.create_server(("127.0.0.1", 0)) as listener, log.open("ab") as output:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        settings = {"url": url, "folder": folder, "key": key, "keystone": keystone.url, "password": keystone.password}
        config.write_text(CONFIG.format(**settings))
        process = subprocess.Popen(
            [python, "-c", SERVE, str(listener.fileno()), pipeline],
            pass_fds=[listener.fileno()],
            cwd=folder,
            env={"HOME": str(folder), "PATH": os.environ["PATH"]},
            stdout=output,
            stderr=output,
        )
    try:
        yield Barbican(url, log)
    finally:
        process.terminate()
        process.wait()
