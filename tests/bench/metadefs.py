"""How fast metadata definitions are read beside images of the same size: `python -m tests.bench.metadefs`."""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from drivers.metadefs.protocol import metadefs_of
from drivers.metadefs.records import Add, Contents, Item, Namespace
from drivers.postgres.migrations import migrate
from drivers.protocol import ImageStore
from drivers.records import Image
from drivers.registry import open_store
from tests.bench.data import CALLER, NOW, TOKEN, fill, images
from tests.bench.load import Sample, measure, wrk
from tests.bench.servers import Server, ask, vitrine
from tests.databases import analyse, filled_database
from tests.postgres import running_postgres

TARGET = 2.0
PROPERTIES = 500
NAMESPACES = 1_000
# A list of a thousand takes a process tens of milliseconds, so many of them at once only queue.
CONNECTIONS = 4
ROW = "{:<44} {:>8} {:>7} {:>7} {:>7} {:>10} {:>6}"
HEADINGS = ("request", "bytes", "req/s", "p50 ms", "p99 ms", "CPU us/req", "ratio")
ONE_NAMESPACE = "/v2/metadefs/namespaces/OS::Bench::0000"
ALL_NAMESPACES = f"/v2/metadefs/namespaces?limit={NAMESPACES}"
ALL_IMAGES = f"/v2/images?limit={NAMESPACES}"


class Pair(NamedTuple):
    """A request for metadata definitions, and the one for images that it is held against."""

    name: str
    path: str
    peer: str


def main() -> None:
    """Make both catalogues on PostgreSQL, measure each request and its peer in turns, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.metadefs", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each request (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=3, help="seconds of a turn (default: %(default)s)")
    parsed = parser.parse_args()
    wrk()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgres = stack.enter_context(running_postgres())
        database = stack.enter_context(filled_database(postgres, migrated))
        shown = asyncio.run(fill_both(database))
        server = stack.enter_context(vitrine(database, folder))
        pairs = (
            Pair(f"show a namespace of {PROPERTIES} properties", ONE_NAMESPACE, shown),
            Pair(f"list {NAMESPACES:,} namespaces", ALL_NAMESPACES, ALL_IMAGES),
        )
        report(pairs, run(server, pairs, folder, parsed.rounds, parsed.seconds), server)


async def migrated(database: str) -> None:
    """Make the schema."""
    await migrate(database)


async def fill_both(database: str) -> str:
    """Keep the namespaces, and images whose bodies are as long; give the path of the image to show."""
    store = await open_store(database)
    metadefs = metadefs_of(store)
    assert metadefs is not None
    made = [namespace(number, PROPERTIES if number == 0 else 0) for number in range(NAMESPACES)]
    await metadefs.change(*map(Add, made))
    shown = await fill_images(store)
    await store.close()
    await analyse(database)
    return shown


async def fill_images(store: ImageStore) -> str:
    """Keep as many images: one as long as the large namespace, the others as long as one of a list."""
    listed = [replace(each, properties={"p": "x" * 30}, tags=()) for each in images()]
    value = "x" * (len(definition(0)) + len("property_0000") - 13)
    large = replace(listed[0], properties={f"property_{number:04}": value for number in range(PROPERTIES)})
    await fill(store, [replace(large, visibility="community"), *listed[1:], _one_more(listed[0])])
    return f"/v2/images/{large.id}"


def _one_more(image: Image) -> Image:
    # In the place of the large one, which as a community image of the caller's own is in the list otherwise.
    return replace(image, id="00000000-0000-4000-8000-000000000000")


def namespace(number: int, properties: int) -> Contents:
    """Make a public namespace with two associations, a long description and so many properties."""
    made = Namespace(
        name=f"OS::Bench::{number:04}",
        owner=CALLER.project_id or "",
        display_name=f"Bench {number}",
        description="What it is about. " * 17,
        visibility="public",
        created_at=NOW,
        updated_at=NOW,
    )
    types = (Item("resource_type", name, NOW, NOW, msgspec.Raw(b'{"prefix":"hw_"}')) for name in ("Flavor", "Image"))
    held = (
        Item("property", f"property_{each:04}", NOW, NOW, msgspec.Raw(definition(each))) for each in range(properties)
    )
    return Contents(made, (*types, *held))


def definition(number: int) -> bytes:
    """Make a property like those of the standard catalogue."""
    fragment = {
        "title": f"Property {number:04}",
        "description": "What the property is about, in a sentence or two, as people read it in a form.",
        "type": "string",
        "enum": ["one", "two", "three"],
        "default": "one",
    }
    return msgspec.json.encode(fragment)


def run(server: Server, pairs: Sequence[Pair], folder: Path, rounds: int, seconds: int) -> dict[str, list[Sample]]:
    """Measure all paths in turns, so that what else the machine does meets all alike; the first turns only warm up."""
    files: dict[str, Path] = {}
    for number, path in enumerate(path for pair in pairs for path in (pair.path, pair.peer)):
        files[path] = folder / f"path-{number}"
        files[path].write_text(f"{path}\n")
        measure(server.url, server.pid, TOKEN, files[path], seconds, CONNECTIONS)
    samples: dict[str, list[Sample]] = {path: [] for path in files}
    for _ in range(rounds):
        for path, file in files.items():
            samples[path].append(measure(server.url, server.pid, TOKEN, file, seconds, CONNECTIONS))
    return samples


def report(pairs: Sequence[Pair], samples: Mapping[str, Sequence[Sample]], server: Server) -> None:
    """Print medians; the ratio is that of the peer's requests per second and its own, of the same turn."""
    show(f"{CONNECTIONS} connections; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    show(ROW.format(*HEADINGS))
    slow = 0
    for pair in pairs:
        turns = zip(samples[pair.path], samples[pair.peer], strict=True)
        ratio = median(peer.rate / own.rate for own, peer in turns)
        slow += ratio > TARGET
        show(line(pair.name, pair.path, samples, server, f"{ratio:.2f}"))
        show(line("  an image, or images, as long", pair.peer, samples, server, "1.00"))
    show(f"{slow} of {len(pairs)} take more than {TARGET} times what images take.")


def line(name: str, path: str, samples: Mapping[str, Sequence[Sample]], server: Server, ratio: str) -> str:
    """Write one line of the table."""
    rate, p50, p99, cpu = (median(column) for column in zip(*samples[path], strict=True))
    length = len(ask(server.url + path).body)
    return ROW.format(name, length, f"{rate:.0f}", f"{p50:.1f}", f"{p99:.1f}", f"{cpu:.0f}", ratio)


def show(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)  # noqa: T201 - what a benchmark is for


if __name__ == "__main__":
    main()
