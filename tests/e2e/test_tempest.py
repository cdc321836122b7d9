"""Tempest's tests of the image service, and those of its plug-in: each comes out as the table says."""

from collections.abc import Mapping
from pathlib import Path

from tests.e2e.compatibility import Found
from tests.e2e.services import Served
from tests.e2e.tempest_run import OTHERWISE, expected, run_tempest, table, together
from tests.keystone import Keystone


def test_every_test_of_tempest_comes_out_as_the_table_says(
    served: Served,
    otherwise: Served,
    environments: Mapping[str, Path],
    keystone: Keystone,
    files: tuple[Path, str],
    found: Found,
    tmp_path: Path,
) -> None:
    python = environments["tempest"]
    usual = run_tempest(python, tmp_path / "usual", keystone, files)
    found.tests.update(together(usual, run_tempest(python, tmp_path / "otherwise", keystone, files, OTHERWISE)))
    (tmp_path / "found.txt").write_text(table(found.tests))
    wanted = expected()
    other = {
        name: f"{outcome.status} {outcome.reason}"
        for name, outcome in found.tests.items()
        if name not in wanted or wanted[name].status != outcome.status
    }
    assert (other, wanted.keys() - found.tests.keys()) == ({}, set())
