"""The shape of the source: who imports whom, and how long anything may be."""

import ast
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("service", "drivers", "sql", "tests")
SOURCES = sorted(path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
# A contract's proof is read test by test, so its length costs the reader nothing.
LONG_FILES = {Path("tests/conformance.py"), Path("tests/blob_conformance.py")}


def parse(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> Iterator[str]:
    """Name the modules that a module imports, wherever it does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import hides where it leads"
            yield node.module or ""


def test_drivers_know_neither_the_service_nor_the_tests() -> None:
    assert importers("drivers", of={"service", "tests"}) == []


def test_the_service_does_not_know_its_tests() -> None:
    assert importers("service", of={"tests"}) == []


def importers(package: str, of: set[str]) -> list[Path]:
    """List the package's files that import something of the others."""
    sources = [path for path in SOURCES if path.parts[0] == package]
    return [path for path in sources if of & {name.split(".")[0] for name in imported(parse(path))}]


def test_a_service_carries_nothing_that_only_some_deployments_and_requests_need() -> None:
    script = "import sys, service.__main__; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert set(loaded.split()) & {"aiohttp_apispec", "botocore", "obstore", "swagger_ui", "tqdm", "yaml"} == set()


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {path: len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {path: length for path, length in lengths.items() if length > 400 and path not in LONG_FILES} == {}


def test_no_function_is_longer_than_40_lines() -> None:
    lengths = {f"{path}: {node.name}": length for path in SOURCES for node, length in functions(parse(path))}
    assert {name: length for name, length in lengths.items() if length > 40} == {}


def functions(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, int]]:
    """Give each function, however deep, with its number of lines from `def` on."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize("mark", ["TODO", "FIXME", "XXX", "NotImplementedError"])
def test_nothing_is_left_to_be_done(mark: str) -> None:
    assert [path for path in SOURCES if mark in words(path)] == []


def words(path: Path) -> str:
    """Give a file's names and comments, but not its texts."""
    with (ROOT / path).open("rb") as source:
        tokens = tokenize.tokenize(source.readline)
        return "\n".join(token.string for token in tokens if token.type in {tokenize.NAME, tokenize.COMMENT})
