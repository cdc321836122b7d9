"""Other projects' packages for the tests, each lock file in an environment of its own."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def installed(lock: Path) -> Path:
    """Give the Python of an environment that holds exactly a lock file, making it first if need be.

    It lies below `VITRINE_TEST_CACHE` or `.cache` in the repository. Runs that start at once wait for each other.
    Skips the test if no package index can be reached, except in CI.
    """
    cache = Path(os.environ.get("VITRINE_TEST_CACHE") or Path(__file__).parents[1] / ".cache").absolute()
    cache.mkdir(parents=True, exist_ok=True)
    content = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    environment = cache / f"{lock.stem}-{content[:16]}"
    finished = environment / "finished"
    with environment.with_suffix(".lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not finished.exists():
            shutil.rmtree(environment, ignore_errors=True)
            _install(lock, environment)
            finished.touch()
    return environment / "bin" / "python"


def _install(lock: Path, environment: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--no-input", "--only-binary", ":all:"]
    # A lock file names all that it needs, or all that the tests need of it.
    command = [*pip, "--no-deps", "--require-hashes", "--requirement", str(lock)]
    result = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if result.returncode and "connection broken by" in result.stdout and "CI" not in os.environ:
        pytest.skip(f"{lock.stem} is not installed yet and no package index can be reached")
    if result.returncode:
        raise RuntimeError(f"{lock.stem} cannot be installed:\n{result.stdout[-4000:]}")
