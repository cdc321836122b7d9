"""What a run has found, and the page that tells it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from tests.e2e.stories.telling import Step
from tests.e2e.tempest_run import Outcome

HERE = Path(__file__).parent
PAGE = HERE / "COMPATIBILITY.md"
# Each story: whose it is, the package that says its version, and the lock file that holds it.
CLIENTS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "command": ("`openstack` command line", "python-openstackclient", "clients"),
        "glance_client": ("python-glanceclient", "python-glanceclient", "clients"),
        "sdk": ("openstacksdk", "openstacksdk", "clients"),
        "compute": ("nova's image module", "nova", "nova"),
        "volumes": ("cinder's image module", "cinder", "cinder"),
    }
)
HEAD = """# Compatibility

What real clients and Tempest find, run against Vitrine on PostgreSQL with two workers and a real Keystone. This page is
written by the run itself (`TEST_WRITE_COMPATIBILITY=1 pytest tests/e2e`), and every other run checks that it is true.

| Client | Version | Steps that pass | Steps that do not |
|---|---|---|---|
"""
TEMPEST = """
## Tempest

Tempest {tempest} with glance-tempest-plugin {plugin}: {passed} pass, {skipped} are skipped, {failed} fail, each as
[the table](tempest.txt) says. Those that the usual set-up has them skip run against another Vitrine beside it, with
`image_conversion`, and without `VITRINE_REQUIRE_IMAGE_FORMAT_MATCH` and `VITRINE_DO_SECURE_HASH`. What does not pass,
and why:

| Test | Outcome | Reason |
|---|---|---|
"""


@dataclass
class Found:
    """What came of each story's steps, and of Tempest's tests; filled in as the run goes on."""

    steps: dict[str, list[Step]] = field(default_factory=dict)
    tests: dict[str, Outcome] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Tell whether everything has run."""
        return self.steps.keys() == CLIENTS.keys() and bool(self.tests)


def page(found: Found, reasons: Mapping[str, Outcome]) -> str:
    """Write the page; `reasons` is the table of what is expected of Tempest, and why."""
    return HEAD + "".join(_client_rows(found)) + _tempest_head(found) + "".join(_tempest_rows(found, reasons))


def version(package: str, lock: str) -> str:
    """Look up the version of a package that a lock file holds."""
    (found,) = re.findall(rf"^{package}==(\S+)", (HERE / f"{lock}.lock").read_text(), re.MULTILINE)
    return str(found)


def _client_rows(found: Found) -> Iterator[str]:
    for story, (name, package, lock) in CLIENTS.items():
        steps = found.steps[story]
        failed = ", ".join(step.name for step in steps if step.error) or "none"
        passed = f"{sum(not step.error for step in steps)} of {len(steps)}"
        yield f"| {name} | {version(package, lock)} | {passed} | {failed} |\n"


def _tempest_head(found: Found) -> str:
    statuses = [outcome.status for outcome in found.tests.values()]
    return TEMPEST.format(
        tempest=version("tempest", "tempest"),
        plugin=version("glance-tempest-plugin", "tempest"),
        passed=statuses.count("pass"),
        skipped=statuses.count("skip"),
        failed=statuses.count("fail"),
    )


def _tempest_rows(found: Found, reasons: Mapping[str, Outcome]) -> Iterator[str]:
    for name, outcome in sorted(found.tests.items()):
        if outcome.status != "pass":
            reason = reasons[name].reason if name in reasons else "not known yet"
            yield f"| `{name}` | {outcome.status} | {reason.replace('|', '/')} |\n"
