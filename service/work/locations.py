"""Locations that were added by the locations API: looked at, hashed, compared (reference section 2.7)."""

import logging
from collections.abc import Callable

from msgspec.structs import replace

from drivers.claims import NO_EFFECTS, Effects
from drivers.errors import LeaseLost, ObjectTaken, StoreError
from drivers.records import Image
from drivers.tasks import Task
from service.data.filling import emptied
from service.data.measure import Measured, Meter
from service.data.stores import DataStore
from service.data.tools import Remote, Tools
from service.marks import LOCK, unlocked
from service.placing import Validation, read_validation
from service.work.runner import Progress, TaskFailed, ended, settle
from service.work.sources import ObjectSource, SourceFailed

logger = logging.getLogger(__name__)


async def run_location(tools: Tools, task: Task, progress: Progress, _remote: Remote | None) -> None:
    """Put a location on an image, and make the image active, with or without looking at its data before."""
    placing = _Placing(tools, task, progress)
    await settle(tools, task, placing.run, placing.fail)


class _Placing:
    """One attempt at one location."""

    def __init__(self, tools: Tools, task: Task, progress: Progress) -> None:
        self._tools = tools
        self._task = task
        self._progress = progress
        self._url: str = task.input["loc_url"]
        self._validation: Validation | None = read_validation(task.input["validation_data"])

    async def run(self) -> None:
        store = next((store for store in self._tools.stores if store.blobs.owns(self._url)), None)
        if store is None:
            raise TaskFailed("The location is in no store of this service.")
        image = await self._place(store)
        if self._tools.settings.do_secure_hash and image.checksum is None:
            await self._hash(image, store)
        done = ended(self._tools, self._task, "success", result={"image_id": image.id})
        await self._change(unlocked, Effects(task=done))

    async def _place(self, store: DataStore) -> Image:
        """Add the location; the image is active at once unless its data has to be compared before."""
        earlier = (await self._tools.records.get(self._task.image_id or "", None, locations=True)).image
        if earlier.locations:
            return earlier  # an earlier attempt came so far
        size = await self._size(store)
        compares = self._tools.settings.do_secure_hash and self._validation is not None

        def decide(now: Image) -> Image:
            if now.status != "queued":
                raise TaskFailed(f"The image is {now.status}, and was queued when the location came.")
            algorithm, value = self._known()
            return replace(
                now,
                status="importing" if compares else "active",
                locations=(store.location(self._url),),
                size=size,
                os_hash_algo=algorithm,
                os_hash_value=value,
            )

        owned = () if store.blobs.read_only else ((store.id, self._url),)
        try:
            return await self._change(decide, Effects(adopted=owned))
        except ObjectTaken as taken:
            raise TaskFailed(str(taken)) from None

    def _known(self) -> tuple[str | None, str | None]:
        """Tell what is known of the hash before anything is read."""
        if not self._tools.settings.do_secure_hash:
            return self._validation or (None, None)
        return self._algorithm(), None

    def _algorithm(self) -> str:
        return self._validation.algorithm if self._validation else self._tools.settings.hashing_algorithm

    async def _size(self, store: DataStore) -> int:
        try:
            return await store.blobs.size(self._url)
        except StoreError as error:
            raise TaskFailed(f"The location cannot be read: {error}") from None

    async def _hash(self, image: Image, store: DataStore) -> None:
        try:
            measured = await self._measured(store)
        except SourceFailed as failure:
            if image.status == "importing":
                raise
            logger.warning("The data of image %s stays without a hash: %s", image.id, failure)
            self._progress.message = str(failure)
            return
        if self._validation and self._validation.value.lower() != measured.os_hash_value:
            raise TaskFailed("The data is not what 'validation_data' says.")

        def decide(now: Image) -> Image:
            status = "active" if now.status == "importing" else now.status
            return replace(
                now,
                status=status,
                checksum=measured.checksum,
                os_hash_algo=measured.os_hash_algo,
                os_hash_value=measured.os_hash_value,
            )

        await self._change(decide)

    async def _measured(self, store: DataStore) -> Measured:
        """Read and hash all of the data, from the beginning again when that fails."""
        tries = self._tools.settings.http_retries + 1
        for attempt in range(1, tries + 1):
            meter = Meter(self._tools.threads, self._algorithm(), inspect=False)
            try:
                async for _ in meter.through(ObjectSource(store, self._url).read()):
                    self._progress.copied(meter.size)
            except SourceFailed:
                if attempt == tries:
                    raise
            else:
                return meter.result()
        raise AssertionError("the last attempt returns or raises")

    async def fail(self, failure: Exception) -> None:
        """Let the image wait for its data again, and the task tell why; a URL of the web stays, as in Glance."""
        failed = ended(self._tools, self._task, "failure", message=str(failure))

        def decide(now: Image) -> Image:
            if now.status != "importing":
                return unlocked(now)
            kept = now.locations if self._url.startswith("http") else ()
            return replace(unlocked(emptied(now)), locations=kept)

        await self._change(decide, Effects(task=failed))

    async def _change(self, decide: Callable[[Image], Image], effects: Effects = NO_EFFECTS) -> Image:
        def locked(now: Image) -> Image:
            if now.properties.get(LOCK) != self._task.id:
                raise LeaseLost("The image is not locked by this task any more.")
            return decide(now)

        image_id = self._task.image_id or ""
        image = (await self._tools.records.get(image_id, None)).image
        limits = await self._tools.limits_of(image)
        return await self._tools.revise(image_id, locked, limits=limits, effects=effects)
