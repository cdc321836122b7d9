"""The source itself: clean by the linter, the formatter and the type checker, and run by CI as the README says."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("tool", ["ruff check", "ruff format --check", "mypy"])
def test_the_source_is_clean(tool: str) -> None:
    program, *arguments = tool.split()
    run = subprocess.run(
        [sys.executable, "-m", program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_ci_runs_the_line_that_the_readme_tells() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    told = [line.strip() for line in lines if line.startswith("    ") and line.endswith("/pytest")]
    assert told == [(ROOT / ".ci" / "run").read_text().splitlines()[-1]]
