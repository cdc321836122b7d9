"""Tempest's tests of the image service, and those of its plug-in: each comes out as the table says."""

from collections.abc import Mapping
from pathlib import Path

from tests.e2e.compatibility import Found
from tests.e2e.services import Served
from tests.e2e.tempest_run import expected, run_tempest, table
from tests.keystone import Keystone


def test_every_test_of_tempest_comes_out_as_the_table_says(
    served: Served,
    environments: Mapping[str, Path],
    keystone: Keystone,
    files: tuple[Path, str],
    found: Found,
    tmp_path: Path,
) -> None:
    found.tests.update(run_tempest(environments["tempest"], tmp_path, keystone, files))
    (tmp_path / "found.txt").write_text(table(found.tests))
    wanted = expected()
    other = {
        name: f"{outcome.status} {outcome.reason}"
        for name, outcome in found.tests.items()
        if name not in wanted or wanted[name].status != outcome.status
    }
    assert (other, wanted.keys() - found.tests.keys()) == ({}, set())
