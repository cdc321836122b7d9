"""Tempest's tests of the image service, and those of its plug-in: each comes out as the table says."""

from pathlib import Path

from tests.e2e.services import Served
from tests.e2e.tempest_run import expected, run_tempest, table
from tests.keystone import Keystone


def test_every_test_of_tempest_comes_out_as_the_table_says(
    served: Served, keystone: Keystone, files: tuple[Path, str], tmp_path: Path
) -> None:
    found = run_tempest(tmp_path, keystone, files)
    assert found
    (tmp_path / "found.txt").write_text(table(found))
    wanted = expected()
    told = {name: f"{found[name].status} {found[name].reason}" for name in found if name in wanted}
    other = {name: text for name, text in told.items() if text.split()[0] != wanted[name].status}
    assert (other, wanted.keys() - found.keys(), found.keys() - wanted.keys()) == ({}, set(), set())
