"""How a page of the list slows as the catalogue grows, on PostgreSQL: `python -m tests.bench.list`."""

import argparse
import asyncio
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from statistics import median
from typing import NamedTuple

from msgspec.structs import replace

from drivers.options import StoreOptions
from drivers.protocol import ImageStore
from drivers.query import ImageQuery
from drivers.registry import open_store
from tests.bench.catalogue import KINDS, LAST_PAGES, VIEWERS, before_last_page, catalogue
from tests.postgres import running_postgres

SIZES = (1_000, 100_000, 1_000_000)
LIMITS = (25, 200)
TARGET = 2.0
# A list may take as long as it likes here; it is to be seen, not refused.
OPTIONS = StoreOptions(pool=1, timeout=600)
ROW = "{:<7}{:>4}  {:<36}"
CELL = "{:>9} {:>5} {:>6}"


class Kind(NamedTuple):
    """One line of the table: who asks, for how many images, of what kind."""

    viewer: str
    limit: int
    name: str
    query: ImageQuery
    last: bool = False


class Cell(NamedTuple):
    """What one catalogue took: milliseconds, rows, and how many times what the smallest with as many rows took."""

    taken: float
    rows: int
    ratio: float


def main() -> None:
    """Make a catalogue of each size, ask each for every kind of list in turns, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.list", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="images (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=31, help="turns of each (default: %(default)s)")
    parsed = parser.parse_args()
    with ExitStack() as stack:
        server = stack.enter_context(running_postgres())
        urls = {size: _made(stack, server, size) for size in parsed.sizes}
        asyncio.run(bench(urls, parsed.rounds))


def _made(stack: ExitStack, server: str, size: int) -> str:
    start = time.perf_counter()
    url = stack.enter_context(catalogue(server, size))
    show(f"{size:,} images made in {time.perf_counter() - start:.0f} s")
    return url


async def bench(urls: Mapping[int, str], rounds: int) -> None:
    """Measure every kind of list on every catalogue, and print what it took."""
    stores = {size: await open_store(url, OPTIONS) for size, url in urls.items()}
    show(f"median of {rounds} runs; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    show(ROW.format("", "", "images in the catalogue") + "".join(f"{size:>22,}" for size in stores))
    show(ROW.format("viewer", "rows", "list") + CELL.format("ms", "rows", "ratio") * len(stores))
    slow = []
    for kind in kinds():
        cells = await measure(stores, kind, rounds)
        numbers = (CELL.format(f"{cell.taken:.2f}", cell.rows, f"{cell.ratio:.2f}") for cell in cells)
        show(ROW.format(*kind[:3]) + "".join(numbers))
        slow += [kind for cell in cells if cell.ratio > TARGET]
    show(f"{len(slow)} times a list took more than {TARGET} times what it takes in the smallest catalogue.")
    for store in stores.values():
        await store.close()


def kinds() -> Iterator[Kind]:
    """Go through every viewer, size of a page, and kind of list."""
    for viewer, limit in ((viewer, limit) for viewer in VIEWERS for limit in LIMITS):
        for name, wishes in KINDS.items():
            query = replace(VIEWERS[viewer], limit=limit, **wishes)
            yield Kind(viewer, limit, name, query)
            if name in LAST_PAGES:
                yield Kind(viewer, limit, f"{name}, last page", query, last=True)


async def measure(stores: Mapping[int, ImageStore], kind: Kind, rounds: int) -> list[Cell]:
    """Ask all catalogues in turns, so that what else the machine does meets all alike; the first turns only warm up."""
    queries = {
        size: await before_last_page(store, kind.query) if kind.last else kind.query for size, store in stores.items()
    }
    times: dict[int, list[float]] = {size: [] for size in stores}
    rows: dict[int, int] = {}
    for _ in range(rounds):
        for size, store in stores.items():
            start = time.perf_counter()
            rows[size] = len(await store.list_images(queries[size]))
            times[size].append(time.perf_counter() - start)
    return compare([(median(times[size][rounds // 5 :]) * 1e3, rows[size]) for size in stores])


def compare(medians: Sequence[tuple[float, int]]) -> list[Cell]:
    """Hold each against the smallest catalogue that gave as many rows: a page of 3 says nothing of a page of 200."""
    return [
        Cell(taken, rows, taken / next(other for other, given in medians if given >= rows)) for taken, rows in medians
    ]


def show(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)  # noqa: T201 - what a benchmark is for


if __name__ == "__main__":
    main()
