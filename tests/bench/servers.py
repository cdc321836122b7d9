"""The servers of the benchmark as processes on free ports of 127.0.0.1, stopped whatever happens."""

import asyncio
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

import asyncpg
import msgspec

from drivers.postgres.migrations import migrate
from drivers.registry import open_store
from tests.bench.data import CALLER, TOKEN, fill, images
from tests.postgres import with_database

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
    port = _free_port()
    with _running(["tests.bench.serve", kind, str(port), *arguments], port, path, {}) as server:
        yield server


@contextmanager
def vitrine(path: str, database: str, folder: Path) -> Iterator[Server]:
    """Run `vitrine serve` on a database, with a file of tokens in the folder."""
    tokens, port = folder / "tokens.yaml", _free_port()
    # JSON is YAML as well.
    tokens.write_bytes(
        msgspec.json.encode(
            [{"token": TOKEN, "user_id": CALLER.user_id, "project_id": CALLER.project_id, "roles": CALLER.roles}]
        )
    )
    settings = {
        "PORT": str(port),
        "STORE": database,
        "TOKENS": "static",
        "TOKENS_FILE": str(tokens),
        "LOG_LEVEL": "warning",
    }
    environ = {f"VITRINE_{name}": value for name, value in settings.items()}
    with _running(["service", "serve"], port, path, environ) as server:
        yield server


@contextmanager
def new_database(server: str) -> Iterator[str]:
    """Give the URL of a new database that holds nothing."""
    name = f"vitrine_bench_{os.getpid()}"
    asyncio.run(execute(server, f"create database {name} template template0"))
    try:
        yield with_database(server, name)
    finally:
        asyncio.run(execute(server, f"drop database {name} with (force)"))


@contextmanager
def filled_database(server: str) -> Iterator[str]:
    """Give the URL of a new database that holds the images."""
    with new_database(server) as url:
        asyncio.run(_fill(url))
        yield url


async def _fill(url: str) -> None:
    await migrate(url)
    store = await open_store(url)
    await fill(store, images())
    await store.close()
    # What autovacuum would do a minute later, in the middle of the measurement.
    await execute(url, "vacuum analyze")


async def execute(url: str, statement: str) -> None:
    """Run one statement."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def _running(module: list[str], port: int, path: str, environ: Mapping[str, str]) -> Iterator[Server]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("VITRINE_")}
    process = subprocess.Popen([sys.executable, "-m", *module], cwd=ROOT, env=inherited | dict(environ))
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


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
