"""Drivers of another package, made of nothing but what drivers/README.md tells, are found and keep their contracts."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from drivers.blobs.registry import DRIVERS as BLOB_DRIVERS
from drivers.blobs.registry import open_blobs
from drivers.errors import UnknownScheme
from drivers.registry import DRIVERS, open_store

ROOT = Path(__file__).parent.parent
README = (ROOT / "drivers" / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Give the README's blocks of code in a language, without their indentation."""
    found = re.findall(rf"^ +```{language}\n(.*?)^ +```$", README, re.DOTALL | re.MULTILINE)
    return [re.sub("^   ", "", block, flags=re.MULTILINE) for block in found]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Install the README's drivers and their tests into a folder, as a package manager would."""
    information = tmp_path / "acme-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    points = []
    sources = blocks("python")
    for module, test, declaration in zip(sources[::2], sources[1::2], blocks("toml"), strict=True):
        for group, entries in tomllib.loads(declaration)["project"]["entry-points"].items():
            (target,) = entries.values()
            name = target.partition(":")[0]
            (tmp_path / f"{name}.py").write_text(module)
            (tmp_path / f"test_{name}.py").write_text(test)
            points += [f"[{group}]", *(f"{scheme} = {target}" for scheme in entries)]
    (information / "entry_points.txt").write_text("\n".join(points))
    return tmp_path


@pytest.mark.parametrize(("test", "least"), [("test_acme_store.py", 30), ("test_acme_blobs.py", 90)])
def test_it_keeps_the_contract(installed: Path, test: str, least: int) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", test],
        cwd=installed,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed
    assert int(passed[1]) > least


@pytest.mark.parametrize("open_it", [open_store, open_blobs])
async def test_an_unknown_scheme_lists_it(
    installed: Path, monkeypatch: pytest.MonkeyPatch, open_it: Callable[[str], Awaitable[object]]
) -> None:
    monkeypatch.syspath_prepend(installed)
    with pytest.raises(UnknownScheme, match=r"\bacme\b"):
        await open_it("acne://host/name")


@pytest.mark.parametrize("url", ["hunter2", "", "hunter2:x", "://hunter2", "mongodb://hunter2[@host"])
async def test_what_is_no_url_is_refused_with_the_known_schemes_and_not_repeated(url: str) -> None:
    with pytest.raises(UnknownScheme) as refusal:
        await open_store(url)
    assert all(scheme in str(refusal.value) for scheme in DRIVERS)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("scheme", [*DRIVERS, *BLOB_DRIVERS])
def test_the_readme_names_every_scheme(scheme: str) -> None:
    assert f"| `{scheme}://" in README
