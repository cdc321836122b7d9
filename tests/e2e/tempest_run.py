"""Tempest, set up for the image service under test, and what came of each of its tests."""

import os
import subprocess
from collections.abc import Mapping
from configparser import ConfigParser
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from tests.e2e.formats import write_formats
from tests.keystone import REGION, Keystone

EXPECTED = Path(__file__).with_name("tempest.txt")
# The type in the catalog of a service that can do what others need not.
OTHERWISE_TYPE = "image_otherwise"
# All of the image service's own; booting servers and attaching volumes is for those who run these services.
TESTS = r"^(tempest\.api\.image\.v2|glance_tempest_plugin)\."
OTHERS = "test_compute_|test_images_dependency|test_convert_|volume"
HEAD = "# What comes of each test of Tempest and its plug-in, and why not all pass; of a skipped class, its name.\n"
# Its server of slow downloads binds the address of the way out of the machine; all of this stays on loopback.
LOOPBACK = """
try:
    import tempest.common.image
    tempest.common.image.get_non_loopback_ipv4 = lambda: "127.0.0.1"
except ImportError:
    pass
"""
ABILITIES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "auth": {
            "use_dynamic_credentials": "true",
            "admin_username": "admin",
            "admin_project_name": "admin",
            "admin_domain_name": "Default",
            "admin_system": "all",
        },
        "identity": {"auth_version": "v3", "v3_endpoint_type": "publicURL"},
        "identity-feature-enabled": {"api_v3": "true"},
        "enforce_scope": {"glance": "true", "keystone": "true"},
        "service_available": {"glance": "true"}
        | dict.fromkeys(("nova", "cinder", "neutron", "swift", "horizon"), "false"),
        "image": {
            "build_timeout": "60",
            "build_interval": "1",
            "disk_formats": "qcow2,raw,ami,ari,aki,vhd,vmdk,vdi,iso,vhdx,ploop,gpt",
            "image_caching_enabled": "true",
            "alternate_image_endpoint": "image_remote",
        },
        "image-feature-enabled": dict.fromkeys(
            (
                "manage_locations",
                "http_store_enabled",
                "store_weight_enabled",
                "image_format_enforcement",
                "do_secure_hash",
            ),
            "true",
        ),
    }
)


class Setup(NamedTuple):
    """One way to set the service up: its type in the catalog, the tests to run, and how its abilities differ."""

    catalog_type: str
    tests: str
    abilities: Mapping[str, str]


USUAL = Setup("image", TESTS, {})
# The tests that the usual set-up lets Tempest skip.
OTHERWISE = Setup(
    OTHERWISE_TYPE,
    r"^tempest\.api\.image\.v2\.test_images(_formats\..*reject_formats_import|\.(ListUserImages|.*hash_false))",
    {"image_conversion": "true", "image_format_enforcement": "false", "do_secure_hash": "false"},
)


class Outcome(NamedTuple):
    """What came of one test: `pass`, `fail` or `skip`, and why."""

    status: str
    reason: str = ""


def run_tempest(
    python: Path, folder: Path, keystone: Keystone, files: tuple[Path, str], setup: Setup = USUAL
) -> dict[str, Outcome]:
    """Run tests against the image service in the catalog; give what came of each, by its name.

    `python` is that of Tempest's environment.
    """
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(LOOPBACK)
    with (folder / "tempest.conf").open("w") as file:
        configuration(folder, keystone, files, setup).write(file)
    packages = subprocess.run(
        [python, "-c", "import tempest; print(tempest.__path__[0])"], text=True, capture_output=True, check=True
    ).stdout.strip()
    (folder / ".stestr.conf").write_text(
        f"[DEFAULT]\ntest_path={packages}/test_discover\ntop_dir={Path(packages).parent}\ngroup_regex=([^\\.]*\\.)*\n"
    )
    command = [
        "run",
        "--config-file",
        "tempest.conf",
        "--regex",
        setup.tests,
        "--exclude-regex",
        OTHERS,
        "--concurrency",
        "2",
    ]
    environ = {"PYTHONPATH": str(folder), "TEMPEST_CONFIG_DIR": str(folder)}
    with (folder / "results").open("wb") as results:
        subprocess.run(
            [python.with_name("tempest"), *command, "--subunit"],
            cwd=folder,
            env=os.environ | environ,
            stdout=results,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    return outcomes(python, folder / "results")


def configuration(folder: Path, keystone: Keystone, files: tuple[Path, str], setup: Setup) -> ConfigParser:
    """Say where everything is, and what the service under test can do."""
    web, url = files
    manifest = write_formats(web / "formats")
    config = ConfigParser(interpolation=None)
    config.read_dict(ABILITIES)
    config.read_dict(
        {
            "DEFAULT": {"log_file": f"{folder}/tempest.log", "debug": "true"},
            "oslo_concurrency": {"lock_path": str(folder)},
            "auth": {"admin_password": keystone.password},
            "identity": {"uri_v3": f"{keystone.url}/v3", "region": REGION},
            "image": {
                "region": REGION,
                "catalog_type": setup.catalog_type,
                "http_image": f"{url}/image.raw",
                "http_qcow2_image": f"{url}/formats/qcow2",
            },
            "image-feature-enabled": setup.abilities,
        }
    )
    if manifest:
        config["image"]["images_manifest_file"] = str(manifest)
        # The tests of formats want nova, though they only speak to the image service.
        config["service_available"]["nova"] = "true"
    return config


def outcomes(python: Path, results: Path) -> dict[str, Outcome]:
    """Read what `tempest run` has written, in its own environment."""
    command = [python, Path(__file__).with_name("outcomes.py"), results]
    lines = subprocess.run(command, text=True, capture_output=True, check=True).stdout.splitlines()
    return {name: Outcome(status, reason) for status, name, reason in (line.split("\t") for line in lines)}


def together(usual: Mapping[str, Outcome], otherwise: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """Put the outcomes of both set-ups together; what only the other one lets run counts as it came out there."""
    classes = {name.rpartition(".")[0] for name in otherwise}
    return {name: outcome for name, outcome in usual.items() if name not in classes} | dict(otherwise)


def expected() -> dict[str, Outcome]:
    """Read the table of what is to come of each test."""
    lines = [line for line in EXPECTED.read_text().splitlines() if line and not line.startswith("#")]
    cells = (line.split(None, 2) for line in lines)
    return {name: Outcome(status, " ".join(reason).removeprefix("# ")) for status, name, *reason in cells}


def table(found: Mapping[str, Outcome]) -> str:
    """Write such a table."""
    return HEAD + "".join(
        f"{outcome.status} {name}{outcome.reason and f' # {outcome.reason}'}\n"
        for name, outcome in sorted(found.items())
    )
