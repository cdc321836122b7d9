"""What people do with an image service, by every client they do it with."""

import subprocess
from pathlib import Path

import msgspec
import pytest

from tests.e2e.compatibility import CLIENTS, HERE, Found
from tests.e2e.stories.telling import Cloud, Step
from tests.environments import installed
from tests.servers import ROOT


@pytest.mark.parametrize("story", CLIENTS)
def test_a_client_does_all_that_its_story_tells(
    story: str, cloud: Cloud, found: Found, subtests: pytest.Subtests
) -> None:
    steps = found.steps[story] = told(story, cloud)
    for step in steps:
        with subtests.test(step.name):
            assert not step.error, step.error
    assert steps


def told(story: str, cloud: Cloud) -> list[Step]:
    """Have a story done in its own environment."""
    *_, lock = CLIENTS[story]
    python = installed(HERE / f"{lock}.lock")
    module = f"tests.e2e.stories.{story}"
    command: list[str | Path] = [python, "-m", module, msgspec.json.encode(cloud._asdict()).decode()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [Step(**msgspec.json.decode(line)) for line in done.stdout.splitlines() if line.startswith('{"name"')]
