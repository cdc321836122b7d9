"""What people do with an image service, by every client they do it with."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec
import pytest

from tests.e2e.stories.telling import Cloud, Step
from tests.environments import installed
from tests.servers import ROOT

# Each story, and the lock file of its environment.
STORIES: Mapping[str, str] = MappingProxyType(
    {"command": "clients", "glance_client": "clients", "sdk": "clients", "compute": "nova", "volumes": "cinder"}
)


@pytest.mark.parametrize("story", STORIES)
def test_a_client_does_all_that_its_story_tells(story: str, cloud: Cloud, subtests: pytest.Subtests) -> None:
    steps = told(story, cloud)
    for step in steps:
        with subtests.test(step.name):
            assert not step.error, step.error
    assert steps


def told(story: str, cloud: Cloud) -> list[Step]:
    """Have a story done in its own environment."""
    python = installed(Path(__file__).with_name(f"{STORIES[story]}.lock"))
    module = f"tests.e2e.stories.{story}"
    command: list[str | Path] = [python, "-m", module, msgspec.json.encode(cloud._asdict()).decode()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [Step(**msgspec.json.decode(line)) for line in done.stdout.splitlines() if line.startswith('{"name"')]
