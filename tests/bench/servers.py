"""The servers of the benchmark as processes on free ports of 127.0.0.1, stopped whatever happens."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from drivers.postgres.migrations import migrate
from drivers.registry import open_store
from tests.bench.data import CALLER, TOKEN, fill, images
from tests.bench.databases import execute

ROOT = Path(__file__).parents[2]
START_SECONDS = 20.0


class Server(NamedTuple):
    """One process that answers."""

    url: str
    pid: int


class Answer(NamedTuple):
    """What must be the same from every server."""

    body: bytes
    content_type: str | None


@contextmanager
def bench_app(path: str, kind: str, *arguments: str) -> Iterator[Server]:
    """Run an application of `tests.bench.serve` by its name there."""
    port = free_port()
    with running([sys.executable, "-m", "tests.bench.serve", kind, str(port), *arguments], port, path, {}) as server:
        yield server


@contextmanager
def vitrine(path: str, database: str, folder: Path, **settings: str) -> Iterator[Server]:
    """Run `vitrine serve` on a database, with a file of tokens in the folder, until it answers on the path."""
    tokens, port = folder / "tokens.yaml", free_port()
    # JSON is YAML as well.
    tokens.write_bytes(
        msgspec.json.encode(
            [{"token": TOKEN, "user_id": CALLER.user_id, "project_id": CALLER.project_id, "roles": CALLER.roles}]
        )
    )
    settings |= {
        "port": str(port),
        "store": database,
        "tokens": "static",
        "tokens_file": str(tokens),
        "log_level": "warning",
    }
    environ = {f"VITRINE_{name.upper()}": value for name, value in settings.items()}
    with running([sys.executable, "-m", "service", "serve"], port, path, environ) as server:
        yield server


async def fill_database(url: str) -> None:
    """Make the schema, and keep the images."""
    await migrate(url)
    store = await open_store(url)
    await fill(store, images())
    await store.close()
    # What autovacuum would do a minute later, in the middle of the measurement.
    await execute(url, "vacuum analyze")


@contextmanager
def running(command: list[str], port: int, path: str, environ: Mapping[str, str]) -> Iterator[Server]:
    """Run a command until it answers on a path of its port."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("VITRINE_")}
    process = subprocess.Popen(command, cwd=ROOT, env=inherited | dict(environ))
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(process, url + path)
        yield Server(url, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", url: str) -> None:
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            ask(url)
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"{process.args!r} does not serve.")


def ask(url: str) -> Answer:
    """Fetch one image; raises OSError."""
    request = urllib.request.Request(url, headers={"X-Auth-Token": TOKEN})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return Answer(answer.read(), answer.headers["Content-Type"])


def free_port() -> int:
    """Find a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
