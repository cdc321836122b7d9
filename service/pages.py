"""A page of what the policy lets through, where a rule hides some of what the store lists."""

from collections.abc import Callable

from msgspec.structs import replace

from drivers.protocol import ImageStore
from drivers.query import ImageQuery
from drivers.records import View

# How much more to read at a time while rules hide what was read, and at most.
GROWTH = 4
BATCH = 1000


async def read_page(store: ImageStore, query: ImageQuery, allowed: Callable[[View], bool]) -> list[View]:
    """Read as many allowed images as the query's limit asks for; fewer only when there are no more.

    With the default policy that is one read. Where an operator's policy hides rows, reading goes on behind them:
    so a full page is the only one that needs a next one, its marker is an image the caller has seen, and none is
    lost. Each read starts behind the last, so they end with the images. Raises UnknownMarker.
    """
    limit = query.limit
    seen: list[View] = []
    while True:
        rows = await store.list_images(query)
        seen += filter(allowed, rows)
        if len(seen) >= limit or len(rows) < query.limit:
            return seen[:limit]
        query = replace(query, marker=rows[-1].image.id, limit=min(query.limit * GROWTH, BATCH))
