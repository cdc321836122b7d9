"""The two services of the comparison: on one PostgreSQL server and one Keystone, with the same images."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from drivers.postgres.migrations import migrate
from drivers.records import Image
from drivers.registry import open_store
from tests.bench.data import fill
from tests.bench.data import images as images_to_show
from tests.databases import analyse, new_database
from tests.e2e.services import WORKERS, instance
from tests.glance import glance_site, running_glance
from tests.keystone import Keystone

COUNT = 10_000
COLOURS = ("red", "orange", "yellow", "green", "blue", "indigo", "violet")
# Of Glance's table of images, all that is not null; the id comes first.
FIELDS = (
    *("id", "name", "status", "visibility", "owner", "container_format", "disk_format", "size", "checksum"),
    *("os_hash_algo", "os_hash_value", "min_disk", "min_ram", "protected", "os_hidden"),
)
START = datetime(2026, 1, 1, tzinfo=UTC)


class Peer(NamedTuple):
    """A running service: its first process, the seconds it took to start, and what to ask it for.

    `images` are changed, `shown` is shown; `uploaded` holds the image that was uploaded last, if any.
    """

    name: str
    url: str
    pid: int
    started: float
    token: str
    folder: Path
    images: list[str]
    shown: str
    uploaded: list[str]

    def path(self, name: str) -> Path:
        """Say where a file of the comparison lies; uploaded data is the same for both."""
        return self.folder / (name if name == "data" else f"{self.name}-{name}")

    def listed(self, paths: list[str]) -> str:
        """Write paths to a file, as the load generator reads them; give its path."""
        file = self.path("paths")
        file.write_text("".join(f"{path}\n" for path in paths))
        return str(file)

    def memory(self, field: str) -> float:
        """Add up a field of smaps_rollup (proc(5)) over all processes of the service, in MiB."""
        return sum(_kilobytes(pid, field) for pid in _family(self.pid)) / 1024


@contextmanager
def glance(server: str, keystone: Keystone, folder: Path) -> Iterator[Peer]:
    """Run Glance with two workers and the images."""
    place = folder / "glance"
    place.mkdir()
    with new_database(server) as database, glance_site(place, database, keystone) as site:
        records = images(keystone.project_id("demo"))
        asyncio.run(_fill_glance(database, records))
        start = time.monotonic()
        with running_glance(site, workers=WORKERS) as running:
            yield _peer("glance", running.url, running.pid, start, keystone, folder, records)


@contextmanager
def vitrine(server: str, keystone: Keystone, folder: Path) -> Iterator[Peer]:
    """Run Vitrine with two workers and the images."""
    with new_database(server) as database:
        asyncio.run(migrate(database))
        records = images(keystone.project_id("demo"))
        asyncio.run(_fill_vitrine(database, records))
        settings = {
            "STORE": database,
            "WORKERS": str(WORKERS),
            "KEYSTONE_URL": keystone.url,
            "KEYSTONE_USERNAME": "vitrine",
            "KEYSTONE_PASSWORD": keystone.password,
            "KEYSTONE_TIMEOUT": "60",
            "STORES": f"file://{folder}/vitrine",
        }
        start = time.monotonic()
        with instance(folder / "vitrine.log", settings) as (url, pid):
            yield _peer("vitrine", url, pid, start, keystone, folder, records)


def _peer(name: str, url: str, pid: int, start: float, keystone: Keystone, folder: Path, records: list[Image]) -> Peer:
    started = time.monotonic() - start
    token = keystone.login("demo", project="demo")
    *others, shown = (record.id for record in records)
    return Peer(name, url, pid, started, token, folder, others[:1000], shown, [])


def images(owner: str) -> list[Image]:
    """Make the images, the same for both; the last is the one to be shown."""
    random = Random(4)
    listed = [
        Image(
            id=str(UUID(int=random.getrandbits(128), version=4)),
            name=f"image-{number:05}",
            owner=owner,
            container_format="bare",
            disk_format="raw",
            created_at=START + timedelta(seconds=number),
            updated_at=START + timedelta(seconds=number),
            tags=(f"of-ten-{number % 10}",),
            properties={"batch": "bench", "colour": COLOURS[number % 7], "parity": str(number % 2)},
        )
        for number in range(COUNT)
    ]
    (shown, *_) = images_to_show()
    return [*listed, msgspec.structs.replace(shown, owner=owner)]


async def _fill_vitrine(database: str, records: list[Image]) -> None:
    store = await open_store(database)
    # Ten at a time share a write to disk.
    async with asyncio.TaskGroup() as group:
        for part in range(10):
            group.create_task(fill(store, records[part::10]))
    await store.close()
    await analyse(database)


async def _fill_glance(database: str, records: list[Image]) -> None:
    connection = await asyncpg.connect(database)
    rows = {
        "images": (FIELDS, [tuple(getattr(record, field) for field in FIELDS) for record in records]),
        "image_properties": (("image_id", "name", "value"), list(_properties(records))),
        "image_tags": (("image_id", "value"), [(record.id, tag) for record in records for tag in record.tags]),
    }
    # Glance keeps times without a zone, in UTC.
    times = {record.id: record.created_at.replace(tzinfo=None) for record in records}
    for table, (columns, values) in rows.items():
        full = [(*value, times[value[0]], times[value[0]], False) for value in values]
        names = (*columns, "created_at", "updated_at", "deleted")
        await connection.copy_records_to_table(table, records=full, columns=names)
    await connection.close()
    await analyse(database)


def _properties(records: list[Image]) -> Iterator[tuple[Any, ...]]:
    return ((each.id, name, value) for each in records for name, value in each.properties.items())


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _family(int(child)))]


def _kilobytes(pid: int, field: str) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))
