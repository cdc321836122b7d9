"""What people do with an image service, by every client they do it with."""

import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from tests.e2e.compatibility import CLIENTS, Found
from tests.e2e.stories.telling import Cloud, Step
from tests.servers import ROOT

Told = Mapping[str, "Future[list[Step]]"]


@pytest.fixture(scope="module")
def stories(environments: Mapping[str, Path], cloud: Cloud) -> Iterator[Told]:
    """Have all stories told, two at a time; most of the first one's time is that of starting a command anew."""
    with ThreadPoolExecutor(2) as pool:
        yield {story: pool.submit(tell, story, environments[lock], cloud) for story, (*_, lock) in CLIENTS.items()}


@pytest.mark.parametrize("story", CLIENTS)
def test_a_client_does_all_that_its_story_tells(
    story: str, stories: Told, found: Found, subtests: pytest.Subtests
) -> None:
    steps = found.steps[story] = stories[story].result()
    for step in steps:
        with subtests.test(step.name):
            assert not step.error, step.error
    assert steps


def tell(story: str, python: Path, cloud: Cloud) -> list[Step]:
    """Have a story told in its own environment and its own folder."""
    folder = Path(cloud.folder) / story
    folder.mkdir()
    known = msgspec.json.encode(cloud._replace(folder=str(folder))._asdict()).decode()
    command: list[str | Path] = [python, "-m", f"tests.e2e.stories.{story}", known]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [Step(**msgspec.json.decode(line)) for line in done.stdout.splitlines() if line.startswith('{"name"')]
