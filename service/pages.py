"""A page of what the policy lets through, where a rule hides some of what the store lists."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from drivers.metadefs.records import NamespaceQuery
from drivers.query import ImageQuery

Query = TypeVar("Query", ImageQuery, NamespaceQuery)
Row = TypeVar("Row")

# How much more to read at a time while rules hide what was read, and at most.
GROWTH = 4
BATCH = 1000


async def read_page(
    read: Callable[[Query], Awaitable[Sequence[Row]]],
    query: Query,
    limit: int,
    allowed: Callable[[Row], bool],
    name: Callable[[Row], str],
) -> list[Row]:
    """Read as many allowed rows as the limit asks for, each a marker by its `name`; fewer only when there are no more.

    With the default policy that is one read. Where an operator's policy hides rows, reading goes on behind them:
    so a full page is the only one that needs a next one, its marker is one the caller has seen, and none is
    lost. Each read starts behind the last, so they end with the rows. Raises what `read` does for a wrong marker.
    """
    seen: list[Row] = []
    size = limit
    while True:
        rows = await read(replace(query, limit=size))
        seen += filter(allowed, rows)
        if len(seen) >= limit or len(rows) < size:
            return seen[:limit]
        size = min(size * GROWTH, BATCH)
        query = replace(query, marker=name(rows[-1]))
