"""The servers of the benchmark as processes on free ports of 127.0.0.1, stopped whatever happens."""

import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from drivers.postgres.migrations import migrate
from drivers.registry import open_store
from tests.bench.data import CALLER, TOKEN, fill, images
from tests.databases import analyse
from tests.servers import free_port, running


class Server(NamedTuple):
    """One process that answers."""

    url: str
    pid: int


class Answer(NamedTuple):
    """What must be the same from every server."""

    body: bytes
    content_type: str | None


@contextmanager
def bench_app(kind: str, *arguments: str) -> Iterator[Server]:
    """Run an application of `tests.bench.serve` by its name there."""
    port = free_port()
    with _running(["tests.bench.serve", kind, str(port), *arguments], port, {}) as server:
        yield server


@contextmanager
def vitrine(database: str, folder: Path, **settings: str) -> Iterator[Server]:
    """Run `vitrine serve` on a database, with a file of tokens in the folder."""
    tokens, port = folder / "tokens.yaml", free_port()
    # JSON is YAML as well.
    tokens.write_bytes(
        msgspec.json.encode(
            [{"token": TOKEN, "user_id": CALLER.user_id, "project_id": CALLER.project_id, "roles": CALLER.roles}]
        )
    )
    # Of data nothing is kept, unless the benchmark says where.
    settings = {"stores": "memory://"} | settings
    settings |= {
        "port": str(port),
        "store": database,
        "tokens": "static",
        "tokens_file": str(tokens),
        "log_level": "warning",
    }
    environ = {f"VITRINE_{name.upper()}": value for name, value in settings.items()}
    with _running(["service", "serve"], port, environ) as server:
        yield server


async def fill_database(url: str) -> None:
    """Make the schema, and keep the images."""
    await migrate(url)
    store = await open_store(url)
    await fill(store, images())
    await store.close()
    await analyse(url)


@contextmanager
def _running(module: list[str], port: int, environ: Mapping[str, str]) -> Iterator[Server]:
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with running([sys.executable, "-m", *module], f"{url}/healthcheck", log, environ) as process:
            yield Server(url, process.pid)


def ask(url: str) -> Answer:
    """Fetch one image; raises OSError."""
    request = urllib.request.Request(url, headers={"X-Auth-Token": TOKEN})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return Answer(answer.read(), answer.headers["Content-Type"])
