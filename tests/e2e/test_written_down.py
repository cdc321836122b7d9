"""The compatibility page says what this run has found; last of the suite, by its name."""

import os

import pytest

from tests.e2e.compatibility import PAGE, Found, page
from tests.e2e.services import Served
from tests.e2e.tempest_run import EXPECTED, expected, table


def test_the_compatibility_page_says_what_was_found(found: Found, served: Served) -> None:
    if served.name != "vitrine" or not found.complete:
        pytest.skip("needs all of the suite, against Vitrine")
    if os.environ.get("TEST_WRITE_COMPATIBILITY"):
        reasons = expected()
        # A run that was cut short must not shorten the table: what the plug-in lost is removed by hand.
        assert reasons.keys() <= found.tests.keys()
        for name, outcome in found.tests.items():
            known = reasons.get(name)
            if known is not None and known.status == outcome.status:
                found.tests[name] = known
        EXPECTED.write_text(table(found.tests))
        PAGE.write_text(page(found, found.tests))
    assert PAGE.read_text() == page(found, expected())
