"""How a page of the list slows as the catalogue grows, on PostgreSQL: `python -m tests.bench.list`."""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from statistics import median

import asyncpg
from msgspec.structs import replace

from drivers.options import StoreOptions
from drivers.protocol import ImageStore
from drivers.query import ImageQuery
from drivers.registry import open_store
from tests.bench.catalogue import KINDS, LAST_PAGES, VIEWERS, before_last_page, make_catalogue
from tests.postgres import running_postgres, with_database

SIZES = (1_000, 100_000, 1_000_000)
LIMITS = (25, 200)
TARGET = 2.0
# A list may take as long as it likes here; it is to be seen, not refused.
OPTIONS = StoreOptions(pool=1, timeout=600)
ROW = "{:<7}{:>4}  {:<40}"
CELL = "{:>9} {:>5} {:>6}"


def main() -> None:
    """Make a catalogue of each size, ask each for every kind of list in turns, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.list", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="images (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=31, help="turns of each (default: %(default)s)")
    parsed = parser.parse_args()
    with ExitStack() as stack:
        asyncio.run(bench(stack.enter_context(running_postgres()), parsed.sizes, parsed.rounds))


async def bench(server: str, sizes: Sequence[int], rounds: int) -> None:
    """Measure everything on catalogues of these sizes."""
    async with catalogue(server, sizes) as stores:
        print(ROW.format("viewer", "", "list, median of") + "".join(f"{size:>22,}" for size in stores))
        print(ROW.format("", "", f"{rounds} runs") + CELL.format("ms", "rows", "ratio") * len(stores))
        missed = 0
        for viewer, limit, kind, query in asked():
            cells = await measure(stores, query, rounds, last=kind.endswith("last page"))
            print(ROW.format(viewer, limit, kind) + "".join(CELL.format(*cell) for cell in cells), flush=True)
            missed += any(float(ratio) > TARGET for _, _, ratio in cells)
        print(f"{missed} kinds of lists are slower than {TARGET} times what they take with the fewest images.")


def asked() -> Iterator[tuple[str, int, str, ImageQuery]]:
    """Go through every viewer, size of a page, and kind of list."""
    for viewer, limit in ((viewer, limit) for viewer in VIEWERS for limit in LIMITS):
        for kind, wishes in KINDS.items():
            query = replace(VIEWERS[viewer], limit=limit, **wishes)
            yield viewer, limit, kind, query
            if kind in LAST_PAGES:
                yield viewer, limit, f"{kind}, last page", query


async def measure(
    stores: Mapping[int, ImageStore], query: ImageQuery, rounds: int, *, last: bool
) -> list[tuple[str, int, str]]:
    """Ask all catalogues in turns, so that what else the machine does meets all alike.

    Give milliseconds, rows and the ratio to the first of each. The first fifth of the turns only warms up.
    """
    queries = {size: await before_last_page(store, query) if last else query for size, store in stores.items()}
    times: dict[int, list[float]] = {size: [] for size in stores}
    rows = {}
    for _ in range(rounds):
        for size, store in stores.items():
            start = time.perf_counter()
            rows[size] = len(await store.list_images(queries[size]))
            times[size].append(time.perf_counter() - start)
    medians = {size: median(taken[rounds // 5 :]) for size, taken in times.items()}
    first = next(iter(medians.values()))
    return [(f"{taken * 1e3:.2f}", rows[size], f"{taken / first:.2f}") for size, taken in medians.items()]


@asynccontextmanager
async def catalogue(server: str, sizes: Sequence[int]) -> AsyncIterator[Mapping[int, ImageStore]]:
    """Give a store over a catalogue of each size, in databases that are dropped again."""
    stores: dict[int, ImageStore] = {}
    try:
        for size in sizes:
            start = time.perf_counter()
            await execute(server, f"create database vitrine_list_{size} template template0")
            await make_catalogue(with_database(server, f"vitrine_list_{size}"), size)
            stores[size] = await open_store(with_database(server, f"vitrine_list_{size}"), OPTIONS)
            print(f"{size:,} images made in {time.perf_counter() - start:.0f} s", flush=True)
        yield stores
    finally:
        for store in stores.values():
            await store.close()
        for size in sizes:
            await execute(server, f"drop database if exists vitrine_list_{size} with (force)")


async def execute(server: str, statement: str) -> None:
    """Run one statement on a connection of its own."""
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


if __name__ == "__main__":
    main()
