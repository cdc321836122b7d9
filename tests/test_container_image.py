"""The container image: its recipe is linted, its health check asked, and it is built and run where an engine is."""

import asyncio
import json
import os
import re
import secrets
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from aiohttp.test_utils import unused_port

from tests.conftest import Client

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
HARDENED = ("--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
# By default Podman's --read-only leaves /tmp writable, and its health checks need systemd; Docker has no such options.
OPTIONS: Mapping[str, Sequence[str]] = {
    "docker": (),
    "podman": ("--read-only-tmpfs=false", "--no-healthcheck"),
}


def health_check() -> list[str]:
    """Read the command of HEALTHCHECK, its lines joined as a builder joins them."""
    text = DOCKERFILE.read_text().replace("\\\n", "")
    found = re.search(r"^HEALTHCHECK .*CMD (\[.*\])$", text, re.MULTILINE)
    assert found is not None
    return list(json.loads(found[1]))


async def healthy(port: int) -> bool:
    command = health_check()
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, "VITRINE_PORT": str(port)}, stderr=asyncio.subprocess.DEVNULL
    )
    return await process.wait() == 0


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    run = subprocess.run([hadolint, DOCKERFILE], check=False, stdout=subprocess.PIPE, text=True)
    assert (run.returncode, run.stdout) == (0, "")


async def test_the_health_check_tells_a_service_that_answers_from_a_port_nobody_listens_on(client: Client) -> None:
    assert client.port is not None
    assert await healthy(client.port)
    assert not await healthy(unused_port())


def succeeds(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def engine() -> str:
    for name in ("docker", "podman"):
        if shutil.which(name) and succeeds(name, "info"):
            return name
    pytest.fail("TEST_PYTHON_IMAGE asks for the image to be built, but neither docker nor podman works here")


class Container:
    """A container in which the demo runs, as closed as `deploy/` runs it, and cut off from any network."""

    def __init__(self, image: str) -> None:
        self._engine = engine()
        self.name = f"vitrine-test-{secrets.token_hex(4)}"
        self._run("run", "--detach", "--name", self.name, *HARDENED, *OPTIONS[self._engine], image, "demo")

    def _run(self, *arguments: str) -> str:
        return subprocess.run([self._engine, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout

    def succeeds(self, *command: str) -> bool:
        """Run a command inside and tell whether it succeeded."""
        return succeeds(self._engine, "exec", self.name, *command)

    def output(self, *command: str) -> str:
        """Run a command inside and give what it printed."""
        return self._run("exec", self.name, *command)

    def wait_until_healthy(self) -> None:
        """Ask the image's own health check until it passes; fail with the log after half a minute."""
        end = time.monotonic() + 30
        while not self.succeeds(*health_check()):
            if time.monotonic() > end:
                pytest.fail(self._run("logs", self.name))
            time.sleep(0.2)

    def stop(self) -> int:
        """Send SIGTERM, and SIGKILL half a minute later; give the exit code, 137 for the latter."""
        self._run("stop", "--time=30", self.name)
        return int(self._run("inspect", "--format={{.State.ExitCode}}", self.name))

    def remove(self) -> None:
        """Remove it, running or not."""
        self._run("rm", "--force", self.name)


@pytest.fixture(scope="module")
def image() -> str:
    """Build the image on the base that `TEST_PYTHON_IMAGE` names; its tag."""
    base = os.environ.get("TEST_PYTHON_IMAGE")
    if not base:
        pytest.skip("the image is built only on request: set TEST_PYTHON_IMAGE, say to python:3.13-slim")
    tag = "vitrine:test"
    build = ["build", "--quiet", f"--build-arg=PYTHON_IMAGE={base}", f"--file={DOCKERFILE}", f"--tag={tag}", str(ROOT)]
    subprocess.run([engine(), *build], check=True, stdout=subprocess.PIPE)
    return tag


@pytest.fixture
def container(image: str) -> Iterator[Container]:
    container = Container(image)
    try:
        container.wait_until_healthy()
        yield container
    finally:
        container.remove()


def test_the_image_serves_although_it_can_write_nowhere(container: Container) -> None:
    assert not container.succeeds("touch", "/opt/vitrine/file")
    assert not container.succeeds("touch", "/tmp/file")
    container.wait_until_healthy()


def test_the_image_runs_as_an_ordinary_user(container: Container) -> None:
    assert container.output("id", "-u").strip() == "10001"


def test_the_image_holds_no_compiler_no_installer_and_no_sources(container: Container) -> None:
    assert container.succeeds("which", "vitrine")
    assert not container.succeeds("which", "cc")
    assert not container.succeeds("which", "gcc")
    assert not container.succeeds("python3", "-m", "pip", "--version")
    assert not container.succeeds("test", "-e", "/source")


def test_sigterm_ends_the_container_in_order(container: Container) -> None:
    assert container.stop() == 0
