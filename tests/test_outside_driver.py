"""A driver of another package, made of nothing but what drivers/README.md tells, is found and keeps the contract."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from drivers.errors import UnknownScheme
from drivers.registry import DRIVERS, ENTRY_POINTS, open_store

ROOT = Path(__file__).parent.parent
README = (ROOT / "drivers" / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Give the README's blocks of code in a language, without their indentation."""
    found = re.findall(rf"^ +```{language}\n(.*?)^ +```$", README, re.DOTALL | re.MULTILINE)
    return [re.sub("^   ", "", block, flags=re.MULTILINE) for block in found]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Install the README's driver and its test into a folder, as a package manager would."""
    module, test = blocks("python")
    (declaration,) = blocks("toml")
    (tmp_path / "acme_store.py").write_text(module)
    (tmp_path / "test_acme.py").write_text(test)
    points = tomllib.loads(declaration)["project"]["entry-points"][ENTRY_POINTS]
    lines = [f"[{ENTRY_POINTS}]", *(f"{name} = {target}" for name, target in points.items())]
    information = tmp_path / "acme_store-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-store\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("\n".join(lines))
    return tmp_path


def test_it_keeps_the_contract(installed: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "test_acme.py"],
        cwd=installed,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed
    assert int(passed[1]) > 30


async def test_an_unknown_scheme_lists_it(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(installed)
    with pytest.raises(UnknownScheme, match=r"\bacme\b"):
        await open_store("acne://host/name")


@pytest.mark.parametrize("url", ["hunter2", "", "hunter2:x", "://hunter2", "mongodb://hunter2[@host"])
async def test_what_is_no_url_is_refused_with_the_known_schemes_and_not_repeated(url: str) -> None:
    with pytest.raises(UnknownScheme) as refusal:
        await open_store(url)
    assert all(scheme in str(refusal.value) for scheme in DRIVERS)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("scheme", DRIVERS)
def test_the_readme_names_every_scheme(scheme: str) -> None:
    assert f"| `{scheme}://" in README
