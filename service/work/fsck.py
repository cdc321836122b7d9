"""Compares records with stores, in both directions; reports, and repairs what can be when told to."""

import asyncio
from collections.abc import AsyncIterator, Callable, KeysView
from contextlib import suppress
from datetime import timedelta
from typing import Literal, NamedTuple

from msgspec.structs import replace

from drivers.blobs.protocol import StoredBlob
from drivers.errors import BlobNotFound, ImageNotFound
from drivers.query import ImageQuery, Order
from drivers.records import Image, Location
from service.data.intake import queued_again
from service.data.stores import DataStore
from service.data.tools import Tools

Kind = Literal["missing", "damaged", "orphan", "unfinished", "stuck"]

PAGE = 500
OLDEST_FIRST = (Order("created_at", "asc"), Order("id", "asc"))


class Finding(NamedTuple):
    """Something that is not as it should be: what kind of thing, where, and whether a repair did away with it."""

    kind: Kind
    what: str
    repaired: bool = False


async def check_all(tools: Tools, *, grace: timedelta, repair: bool) -> AsyncIterator[Finding]:
    """Look at every image and every object; what is younger than `grace` may still be on its way, and is let be.

    A location whose object is missing, or of another size, is taken off where another has the data; orphaned objects
    and what unfinished writes left are removed; images that wait for an upload that nobody makes any more are queued
    again. Raises StoreUnavailable.
    """
    async for image in _images(tools):
        async for finding in _check_image(tools, image, repair=repair):
            yield finding
    for store in {each.id: each for each in (*tools.stores, tools.stores.staging)}.values():
        if not store.blobs.read_only:
            async for finding in _check_store(tools, store, grace, repair=repair):
                yield finding


async def _images(tools: Tools) -> AsyncIterator[Image]:
    for os_hidden in (False, True):
        query = ImageQuery(
            project_id=None,
            is_admin=True,
            visibility="all",
            os_hidden=os_hidden,
            sort=OLDEST_FIRST,
            limit=PAGE,
            locations=True,
        )
        while views := await tools.records.list_images(query):
            for view in views:
                yield view.image
            query = replace(query, marker=views[-1].image.id)


async def _check_image(tools: Tools, image: Image, *, repair: bool) -> AsyncIterator[Finding]:
    states = await asyncio.gather(*(_state(tools, image, location) for location in image.locations))
    broken = {location.url: kind for location, kind in zip(image.locations, states, strict=True) if kind}
    mended = repair and 0 < len(broken) < len(image.locations)
    if mended:
        await _change(tools, image, lambda now: _without(now, broken.keys()))
    for location in image.locations:
        if kind := broken.get(location.url):
            yield Finding(kind, f"image {image.id}, store {location.metadata.get('store', 'default')}", mended)
    if image.status in {"saving", "uploading"} and not await tools.records.claims(image.id):
        if repair:
            await _change(tools, image, queued_again)
        yield Finding("stuck", f"image {image.id} is {image.status}, and nobody uploads it", repair)


async def _state(tools: Tools, image: Image, location: Location) -> Literal["missing", "damaged"] | None:
    store = tools.stores.holding(location)
    if store is None or store.blobs.read_only:
        return None  # what others have is theirs to keep
    try:
        return None if await store.blobs.size(location.url) == image.size else "damaged"
    except BlobNotFound:
        return "missing"


def _without(image: Image, urls: KeysView[str]) -> Image:
    return replace(image, locations=tuple(each for each in image.locations if each.url not in urls))


async def _change(tools: Tools, image: Image, decide: Callable[[Image], Image | None]) -> None:
    with suppress(ImageNotFound):  # then there is nothing to mend any more
        await tools.revise(image.id, decide)


async def _check_store(tools: Tools, store: DataStore, grace: timedelta, *, repair: bool) -> AsyncIterator[Finding]:
    before = tools.clock() - grace
    async for blobs in _pages(store):
        known = await tools.records.known_urls(store.id, [blob.url for blob in blobs])
        for blob in blobs:
            if blob.url not in known and blob.modified_at < before:
                if repair:
                    await store.blobs.delete(blob.url)
                yield Finding("orphan", f"store {store.id or 'default'}, {blob.url}, {blob.size} bytes", repair)
    left = await store.blobs.clean(before, dry_run=not repair)
    if left:
        yield Finding("unfinished", f"store {store.id or 'default'}, what {left} broken writes left", repair)


async def _pages(store: DataStore) -> AsyncIterator[list[StoredBlob]]:
    page: list[StoredBlob] = []
    async for blob in store.blobs.list():
        page.append(blob)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page
