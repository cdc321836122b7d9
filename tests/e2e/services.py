"""The image service under test, and the one it is compared with, each with an alternate instance beside it."""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from drivers.postgres.migrations import migrate
from tests.databases import new_database
from tests.environments import standard_catalogue
from tests.glance import glance_site, running_glance
from tests.keystone import Keystone
from tests.processes import environment
from tests.processes import vitrine as command
from tests.servers import free_port, running

WORKERS = 2
OTHERWISE: Mapping[str, str] = MappingProxyType(
    {"IMAGE_IMPORT_PLUGINS": "image_conversion", "REQUIRE_IMAGE_FORMAT_MATCH": "false", "DO_SECURE_HASH": "false"}
)


class Served(NamedTuple):
    """Where an image service answers, and where another instance of it does, with the same records and stores."""

    name: str
    url: str
    alternate_url: str


@contextmanager
def vitrine(server: str, keystone: Keystone, folder: Path, *, otherwise: bool = False) -> Iterator[Served]:
    """Run Vitrine on a new database, as operators do, with all of the API that settings can turn on.

    Some settings are a choice between one thing and another: `otherwise` chooses the one that is not the default.
    """
    with new_database(server) as database:
        asyncio.run(migrate(database))
        load = command("metadefs", "load", str(standard_catalogue()), env=environment(store=database))
        code, _, errors = asyncio.run(load)
        assert code == 0, errors
        settings = {
            "STORE": database,
            "KEYSTONE_URL": keystone.url,
            "KEYSTONE_USERNAME": "vitrine",
            "KEYSTONE_PASSWORD": keystone.password,
            "KEYSTONE_TIMEOUT": "60",
            "SHOW_IMAGE_DIRECT_URL": "true",
            "SHOW_MULTIPLE_LOCATIONS": "true",
            "STORES": ",".join(
                (
                    f"fast=file://{folder}/fast?weight=100",
                    f"slow=file://{folder}/slow?weight=50",
                    "web=http://",
                )
            ),
            "ENABLED_IMPORT_METHODS": "glance-direct,web-download,copy-image,glance-download",
            "DISK_FORMATS": "ami,ari,aki,vhd,vhdx,vmdk,raw,qcow2,vdi,iso,ploop,gpt",
            # What is imported lies on this machine here, at ports that are not known beforehand.
            "FETCH_ALLOWED_NETWORKS": "127.0.0.0/8",
            "ALLOWED_PORTS": "1-65535",
            **(OTHERWISE if otherwise else {}),
        }
        # Each node has a cache of its own, which its workers share.
        first, second = ({**settings, "IMAGE_CACHE_DIR": f"{folder}/cache-{number}"} for number in (1, 2))
        with (
            instance(folder / "vitrine.log", {**first, "WORKERS": str(WORKERS)}) as (url, _),
            instance(folder / "alternate.log", second) as (alternate_url, _),
        ):
            yield Served("vitrine", url, alternate_url)


@contextmanager
def instance(log: Path, settings: dict[str, str]) -> Iterator[tuple[str, int]]:
    """Run `vitrine serve` on a free port; give its URL and the id of its first process."""
    port = free_port()
    environ = {f"VITRINE_{name}": value for name, value in settings.items()} | {"VITRINE_PORT": str(port)}
    url = f"http://127.0.0.1:{port}"
    with running([sys.executable, "-m", "service", "serve"], f"{url}/readyz", log, environ) as process:
        yield url, process.pid


@contextmanager
def glance(server: str, keystone: Keystone, folder: Path, *, otherwise: bool = False) -> Iterator[Served]:
    """Run Glance, likewise."""
    with (
        new_database(server) as database,
        glance_site(folder, database, keystone) as site,
        running_glance(site, everything=True, otherwise=otherwise, workers=WORKERS) as first,
        running_glance(site, "alternate", everything=True, otherwise=otherwise, workers=1) as second,
    ):
        yield Served("glance", first.url, second.url)
