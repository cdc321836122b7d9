"""The cache as the service uses it: what it holds, what waits for it, and reads that fill it."""

import asyncio
import logging
from functools import partial
from pathlib import Path
from typing import NamedTuple

from drivers.blobs.file.reader import FileReader, Source
from drivers.blobs.file.threads import Held, Threads
from drivers.blobs.keys import is_key
from drivers.blobs.protocol import BlobReader
from drivers.errors import ImageNotFound, StoreError
from drivers.protocol import ImageStore
from drivers.records import Image
from service.cache.draft import Draft, Sought, remove_stalled, sought
from service.cache.fill import Fill, Open
from service.cache.folder import Entry, Folder
from service.metrics import make_cache_metrics
from service.settings import Settings, SettingsError

logger = logging.getLogger(__name__)

THREADS = 16


class Pruned(NamedTuple):
    """What was removed to make room."""

    files: int
    bytes: int


class Cache:
    """The folder's part of one process: fills of an image are one at a time, and outlast the readers that began them.

    `records` tell whether an image that was filled is still there. `filled` is set when the folder has grown, `queued`
    when somebody waits. Where a method says nothing else, it raises StoreError when the folder cannot be used.
    """

    def __init__(self, folder: Folder, threads: Threads, records: ImageStore, settings: Settings) -> None:
        self.filled = asyncio.Event()
        self.queued = asyncio.Event()
        self.queued.set()  # a process before this one may have left something
        self.metrics = make_cache_metrics()
        self._folder = folder
        self._threads = threads
        self._records = records
        self._limit = settings.image_cache_max_size
        self._stall_seconds = settings.image_cache_stall_time
        self._fills: dict[str, tuple[Fill, asyncio.Task[bool]]] = {}

    async def open(self, image: Image, stored: Open) -> BlobReader:
        """Open the whole of an image's data: its entry, or what is on its way there, or what `stored` opens.

        A folder that cannot be used costs its speed only: raises what `stored` raises, and nothing else.
        """
        wanted = self._cacheable(image)
        if wanted is None:
            return await stored()
        if entry := await self._entry(wanted):
            self.metrics.hits.inc()
            return entry
        self.metrics.misses.inc()
        return (
            await self._fill(wanted, stored)[0].follow()
            # One so short that it has ended already.
            or await self._entry(wanted)
            or await stored()
        )

    async def fetch(self, image: Image, stored: Open) -> bool:
        """Bring an image's data into the cache, if that can be; tell whether it is there. Raises as `stored` does."""
        wanted = self._cacheable(image)
        if wanted is None:
            return False
        if await self._threads.run(partial(self._folder.holds, wanted.image_id, wanted.tag)):
            return True
        fill, task = self._fill(wanted, stored)
        whole = await asyncio.shield(task)
        if fill.refusal is not None:
            raise fill.refusal
        return whole

    async def holds(self, image: Image) -> bool:
        """Tell whether the cache has the image's data, to serve it."""
        wanted = self._cacheable(image)
        if wanted is None:
            return False
        try:
            return await self._threads.run(partial(self._folder.holds, wanted.image_id, wanted.tag))
        except StoreError:
            return False

    async def entries(self) -> list[Entry]:
        """List the images in the cache, the one used longest ago first."""
        return await self._threads.run(self._folder.entries)

    async def queue(self) -> list[str]:
        """List the ids of the images that wait to be fetched, the first first."""
        return await self._threads.run(self._folder.queue)

    async def enqueue(self, image_id: str) -> None:
        """Let an image be fetched soon, unless it is in the cache; what cannot be an image's id is passed over."""
        if is_key(image_id):
            await self._threads.run(partial(self._folder.enqueue, image_id))
            self.queued.set()

    async def dequeue(self, image_id: str) -> bool:
        """Take an image out of the queue; tell whether it was there."""
        return is_key(image_id) and await self._threads.run(partial(self._folder.dequeue, image_id))

    async def remove(self, image_id: str) -> bool:
        """Remove an image's entry; tell whether there was one."""
        return is_key(image_id) and await self._threads.run(partial(self._folder.remove, image_id)) is not None

    async def forget(self, image_id: str) -> None:
        """Remove what there is of an image that was deleted. Raises nothing: it would never be served again."""
        try:
            await self.remove(image_id)
            await self.dequeue(image_id)
        except StoreError as error:
            logger.warning("A deleted image's data stays in the cache until it is pruned: %s", error)

    async def clear(self) -> int:
        """Remove all entries; tell how many there were."""
        return sum([await self.remove(entry.image_id) for entry in await self.entries()])

    async def clear_queue(self) -> int:
        """Empty the queue; tell how many waited."""
        return sum([await self.dequeue(image_id) for image_id in await self.queue()])

    async def prune(self) -> Pruned:
        """Remove what was used longest ago, until the rest is no more than the limit."""
        entries = await self.entries()
        total, removed = sum(entry.size for entry in entries), Pruned(0, 0)
        for entry in entries:
            if total <= self._limit:
                break
            total -= entry.size
            if await self.remove(entry.image_id):
                removed = Pruned(removed.files + 1, removed.bytes + entry.size)
        self.metrics.evictions.inc(removed.files)
        self.metrics.bytes.set(total)
        return removed

    async def clean(self, now: float) -> None:
        """Remove broken entries, and what killed processes left longer ago than the settings say."""
        before = now - self._stall_seconds
        for image_id in await self._threads.run(self._folder.broken):
            await self._threads.run(partial(self._folder.remove, image_id))
        await self._threads.run(partial(remove_stalled, self._folder, before))
        await self._threads.run(partial(self._folder.remove_unused_seals, before))

    async def close(self) -> None:
        """Give up what is being filled; no other call may follow."""
        tasks = [task for _, task in self._fills.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._threads.close()

    def _cacheable(self, image: Image) -> Sought | None:
        return sought(image) if image.status == "active" and is_key(image.id) else None

    async def _entry(self, wanted: Sought) -> FileReader | None:
        source = Source()
        held = Held(self._threads, source.close)
        try:
            if await held.run(partial(_open_entry, self._folder, wanted, source)):
                return FileReader(source, held)
        except StoreError as error:
            logger.warning("The cache cannot be read: %s", error)
        except BaseException:
            held.release()
            raise
        held.release()
        return None

    def _fill(self, wanted: Sought, stored: Open) -> tuple[Fill, "asyncio.Task[bool]"]:
        """Join the fill of the image that is under way, or begin one."""
        if wanted.image_id not in self._fills:
            fill = Fill(Draft(self._folder, wanted), self._threads, stored, self._limit)
            task = asyncio.create_task(self._filling(wanted, fill))
            self._fills[wanted.image_id] = fill, task
        return self._fills[wanted.image_id]

    async def _filling(self, wanted: Sought, fill: Fill) -> bool:
        try:
            whole = await fill.run()
        finally:
            del self._fills[wanted.image_id]
        if not whole:
            return False
        self.filled.set()
        try:
            await self._records.get(wanted.image_id, None)
        except ImageNotFound:
            # Deleted meanwhile, perhaps before there was an entry to remove.
            await self.forget(wanted.image_id)
            return False
        except StoreError:
            pass
        return True


def open_cache(settings: Settings, records: ImageStore) -> Cache | None:
    """Make the cache that the settings name; None where they name none. Raises SettingsError."""
    if settings.image_cache_dir is None:
        return None
    try:
        folder = Folder(Path(settings.image_cache_dir))
    except OSError as error:
        raise SettingsError(f"VITRINE_IMAGE_CACHE_DIR is no folder the service can use: {error.strerror}.") from None
    return Cache(folder, Threads(THREADS, settings.blob_timeout), records, settings)


def _open_entry(folder: Folder, wanted: Sought, source: Source) -> bool:
    descriptor = folder.open(wanted.image_id, wanted.tag)
    if descriptor is None:
        return False
    source.take(descriptor)
    return True
