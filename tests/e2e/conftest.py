"""A Keystone, a catalog, an image service and a web server, once for the whole run."""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random

import pytest

from tests.databases import new_database
from tests.e2e.compatibility import HERE, Found
from tests.e2e.services import Served, glance, vitrine
from tests.e2e.stories.telling import Cloud
from tests.e2e.tempest_run import OTHERWISE_TYPE
from tests.environments import installed
from tests.file_server import serving_files
from tests.keystone import REGION, Keystone, running_keystone
from tests.qemu import needed_qemu_img


def start() -> Callable[..., AbstractContextManager[Served]]:
    """Choose the service that is put to the test."""
    return {"vitrine": vitrine, "glance": glance}[os.environ.get("TEST_E2E_SERVICE", "vitrine")]


@pytest.fixture(scope="session")
def keystone(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keystone]:
    """Give a Keystone of this suite's own: its catalog is what clients go by."""
    folder = tmp_path_factory.mktemp("keystone")
    with new_database(postgres_server) as database, running_keystone(folder, database) as keystone:
        yield keystone


@pytest.fixture(scope="session")
def served(postgres_server: str, keystone: Keystone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Give the service under test, in the catalog: Vitrine, or, to try the suite, what `TEST_E2E_SERVICE` names."""
    with start()(postgres_server, keystone, tmp_path_factory.mktemp("images")) as served:
        keystone.register("image", "glance", served.url)
        keystone.register("image_remote", "glance-alternate", served.alternate_url)
        yield served


@pytest.fixture(scope="session")
def otherwise(postgres_server: str, keystone: Keystone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Give one that is set up otherwise, beside it in the catalog; it needs qemu-img."""
    needed_qemu_img()
    with start()(postgres_server, keystone, tmp_path_factory.mktemp("images"), otherwise=True) as served:
        keystone.register(OTHERWISE_TYPE, "glance-otherwise", served.url)
        yield served


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """Give a folder, with a small image in it, and the URL under which it is served."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "image.raw").write_bytes(Random(1).randbytes(2**20))
    with serving_files(folder) as url:
        yield folder, url


@pytest.fixture(scope="session")
def found() -> Found:
    """Give what keeps what the run finds, for the page that tells it."""
    return Found()


@pytest.fixture(scope="session")
def environments() -> Mapping[str, Path]:
    """Give the Python of each environment, by the name of its lock file; those that are missing are made at once."""
    locks = sorted(HERE.glob("*.lock"))
    with ThreadPoolExecutor() as pool:
        return {lock.stem: python for lock, python in zip(locks, pool.map(installed, locks), strict=True)}


@pytest.fixture(scope="session")
def cloud(
    served: Served, keystone: Keystone, files: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory
) -> Cloud:
    """Give what a story needs to know."""
    folder = tmp_path_factory.mktemp("stories")
    return Cloud(f"{keystone.url}/v3", keystone.password, REGION, files[1], str(folder))
