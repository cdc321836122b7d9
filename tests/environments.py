"""Environments for what runs beside the service: each is installed once into a cache folder, from a lock file.

A lock file is what `uv pip compile --generate-hashes --universal --python-version 3.11 --no-annotate` prints.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Plain Python that is published as source only, and built here: wsme, of Glance, needs it.
BUILT = "simplegeneric"
CATALOGUE = Path(__file__).with_name("glance_catalogue.lock")


def installed(lock: Path) -> Path:
    """Give the Python of an environment that holds exactly what a lock file says, making it first if need be.

    It lies below `VITRINE_TEST_CACHE` or `.cache` in the repository. Runs that start at once wait for each other.
    Skips the test if no package index can be reached, except in CI.
    """
    content = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    environment = cache() / f"{lock.stem}-{content[:16]}"
    finished = environment / "finished"
    with environment.with_suffix(".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not finished.exists():
            shutil.rmtree(environment, ignore_errors=True)
            _install(lock, environment)
            finished.touch()
    return environment / "bin" / "python"


def standard_catalogue() -> Path:
    """Give the folder of the metadata definitions that come with Glance, of its package alone."""
    return installed(CATALOGUE).parents[1] / "etc" / "glance" / "metadefs"


def cache() -> Path:
    """Give the folder of what is kept between runs."""
    folder = Path(os.environ.get("VITRINE_TEST_CACHE") or Path(__file__).parents[1] / ".cache").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _install(lock: Path, environment: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--no-input", "--no-deps"]
    command = [*pip, "--only-binary", ":all:", "--no-binary", BUILT, "--require-hashes", "--requirement", str(lock)]
    result = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if result.returncode and "connection broken by" in result.stdout and "CI" not in os.environ:
        pytest.skip(f"{lock.stem} is not installed yet and no package index can be reached")
    if result.returncode:
        raise RuntimeError(f"{lock.stem} cannot be installed:\n{result.stdout[-4000:]}")
