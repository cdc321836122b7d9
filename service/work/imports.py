"""Imports: the data of an image from elsewhere into its stores (reference section 2.3.2)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack

from msgspec.structs import replace

from drivers.blobs.fetch import Fetcher
from drivers.claims import Effects
from drivers.errors import LeaseLost, QuotaExceeded, StoreError
from drivers.records import Image, View
from drivers.tasks import Task
from drivers.usage import IMPORTING, UNLIMITED, Limits
from service.convert.converter import Converter
from service.convert.scratch import ScratchFailed
from service.data.blocks import bounded
from service.data.filling import emptied, filled, virtual_size_of
from service.data.formats import require_exactly
from service.data.intake import Intake, give_up_claim
from service.data.measure import Measured
from service.data.removal import garbage_of
from service.data.signatures import Check, require_checked
from service.data.stores import UNNAMED, DataStore
from service.data.tools import Remote, Tools
from service.data.uris import opened_fetcher
from service.key_manager import KeyManagerUnavailable
from service.marks import LOCK, marked, stores_in, unlocked
from service.refusals import Refusal, UnsupportedContent
from service.revising import revise
from service.settings import Secret
from service.tokens.protocol import IdentityUnavailable
from service.work.certificates import Kept, check_of, keep_certificate, kept_in
from service.work.plan import METHODS, Plan, expected_hash, plan_of
from service.work.remote import read_remote, without_copied
from service.work.runner import Progress, TaskFailed, ended, settle
from service.work.sources import (
    CheckedSource,
    ObjectSource,
    ScratchSource,
    Source,
    SourceFailed,
    UnpackedSource,
    UrlSource,
)


async def run_import(tools: Tools, task: Task, progress: Progress, remote: Remote | None) -> None:
    """Do an import, from the beginning or from where a process that died left it; the image tells how it went."""
    await _carry_out(tools, task, plan_of(task), progress, remote)


async def run_old_import(tools: Tools, task: Task, progress: Progress, _remote: Remote | None) -> None:
    """Do an import that was asked for by the tasks API."""
    options = {"name": "web-download", "uri": task.input["import_from"]}
    plan = Plan(method="web-download", options=options, stores=(tools.stores.default.id,))
    await _carry_out(tools, task, plan, progress)


async def _carry_out(tools: Tools, task: Task, plan: Plan, progress: Progress, remote: Remote | None = None) -> None:
    run = _Import(tools, task, plan, progress, remote)
    await settle(tools, task, run.run, run.fail)


class ImportFailed(TaskFailed):
    """A store failed that must not; `over_quota` tells whether only for want of room in the project's quota."""

    def __init__(self, reason: str, *, over_quota: bool) -> None:
        super().__init__(reason)
        self.over_quota = over_quota


class _Import:
    """One attempt at one import."""

    def __init__(self, tools: Tools, task: Task, plan: Plan, progress: Progress, remote: Remote | None) -> None:
        self._tools = tools
        self._task = task
        self._plan = plan
        self._progress = progress
        self._remote = remote
        self._image_id = task.image_id or ""
        self._kept = kept_in(task.private)
        # The image as it was before another service's record was copied to it.
        self._before: Image | None = None
        # The formats of an image whose data was converted: until it is used, its record tells what its owner said.
        self._formats: Mapping[str, str] = {}
        # The store that could not be written to, if one could not, and what each such store's matter was.
        self._failing: str | None = None
        self._reasons: list[str] = []

    async def run(self) -> None:
        image = await self._begin()
        async with AsyncExitStack() as stack:
            image, source = await self._source(stack, image)
            image, source = await self._converted(stack, image, self._unpacked(source, image))
            for store_id in self._plan.stores:
                if store_id not in self._held_by(image):
                    image, source = await self._into(image, store_id, source)
        await self._finish()

    async def _begin(self) -> Image:
        """Mark the image as being imported; what an earlier attempt was writing is nobody's any more."""
        method = METHODS[self._plan.method]
        claims = await self._tools.records.claims(self._image_id)
        left = tuple(claim.id for claim in claims if claim.state in {"writing", "lost"})

        def decide(now: Image) -> Image:
            self._require_lock(now)
            if now.status not in {method.needs, "importing", "active"}:
                raise TaskFailed(f"The image is {now.status}, and cannot be imported.")
            if now.locations and self._changes(now):
                # What an earlier attempt made of the data, another one may not make again: all stores get the same.
                now = emptied(now)
            targets = set(self._plan.stores) - self._held_by(now)
            status = now.status if self._plan.copies or now.status == "active" else "importing"
            return marked(replace(now, status=status), importing=targets)

        current = (await self._tools.records.get(self._image_id, None)).image
        return await self._save(decide, left, limits=await self._tools.limits_of(current))

    async def _source(self, stack: AsyncExitStack, image: Image) -> tuple[Image, Source]:
        """Find the data; give the image as it is then, which another service may have a say in."""
        if self._plan.copies or image.status == "active":
            return image, self._located(image)
        if self._plan.method == "glance-direct":
            return image, await self._staged(image)
        fetcher = await stack.enter_async_context(opened_fetcher(self._tools.settings))
        if self._plan.method == "web-download":
            return image, self._checked(UrlSource(fetcher, self._plan.options["uri"]))
        return await self._remote_source(fetcher)

    def _checked(self, source: Source) -> Source:
        expected = expected_hash(self._plan.options)
        return CheckedSource(source, expected, self._tools.threads) if expected else source

    async def _remote_source(self, fetcher: Fetcher) -> tuple[Image, Source]:
        if self._remote is None:
            raise TaskFailed("The process that had the caller's token is gone, and nobody else has it: ask again.")
        if self._remote.url is None:
            raise SourceFailed("The catalog of the caller's token has no image service of that region and interface.")
        settings = self._tools.settings
        source = self._remote.url, self._remote.token, self._plan.options["glance_image_id"]
        found = await read_remote(fetcher, *source, settings)

        def decide(now: Image) -> Image:
            self._require_lock(now)
            image = found.copied_to(now, settings)
            self._before = now
            return image

        image = await self._tools.revise(self._image_id, decide)
        self._kept = await self._read_certificate(image, self._remote.token)
        return image, found.source

    async def _read_certificate(self, image: Image, token: Secret) -> Kept | None:
        try:
            return await keep_certificate(self._tools, image.properties, token)
        except (IdentityUnavailable, KeyManagerUnavailable) as error:
            raise SourceFailed(str(error)) from None

    def _unpacked(self, source: Source, image: Image) -> Source:
        return UnpackedSource(source, self._tools.threads) if self._unpacks(image) else source

    def _unpacks(self, image: Image) -> bool:
        wanted = "image_decompression" in self._tools.settings.image_import_plugins
        return wanted and image.container_format != "compressed" and self._fills(image)

    async def _converted(self, stack: AsyncExitStack, image: Image, source: Source) -> tuple[Image, Source]:
        """Convert the data where that is wanted; give the image as it is to be, and where to read the data."""
        tools, converter = self._tools, self._converter_for(image)
        if converter is None:
            return image, source
        self._progress.converting()
        try:
            converted = await converter.convert(source.read(), image, tools.threads, stack)
        except ScratchFailed as failure:
            raise SourceFailed(str(failure)) from None
        self._formats = converted.formats
        return replace(image, **self._formats), ScratchSource(converted.data)

    def _changes(self, image: Image) -> bool:
        return self._unpacks(image) or self._converter_for(image) is not None

    def _converter_for(self, image: Image) -> Converter | None:
        return self._tools.converter if self._fills(image) else None

    def _fills(self, image: Image) -> bool:
        """Tell whether the image gets its data by this import: plugins have no say in what others may be reading."""
        return not self._plan.copies and image.status != "active"

    async def _staged(self, image: Image) -> Source:
        for claim in await self._tools.records.claims(image.id):
            store = self._tools.stores.get(claim.store)
            if claim.state == "staged" and store:
                return ObjectSource(store, claim.url)
        if image.locations:  # all was written when an earlier attempt died
            return self._located(image)
        raise SourceFailed("The staged data is not there any more.")

    def _located(self, image: Image) -> Source:
        for location in self._tools.stores.ordered(image):
            store = self._tools.stores.holding(location)
            if store:
                return ObjectSource(store, location.url)
        raise SourceFailed("The image's data is in no store of this service.")

    async def _into(self, image: Image, store_id: str, source: Source) -> tuple[Image, Source]:
        """Write to one store; give the image as it is then, and where to read the data from next."""
        try:
            return await self._write(image, self._target(store_id), source)
        except (TaskFailed, Refusal, QuotaExceeded) as failure:
            # What cannot be read is no store's fault, but stays where the image has it already.
            if isinstance(failure, SourceFailed) and not image.locations:
                raise
            self._failing = store_id
            reason = f"Store {store_id or 'default'}: {failure}"
            if self._plan.all_must_succeed:
                raise ImportFailed(reason, over_quota=isinstance(failure, QuotaExceeded)) from failure
            self._reasons.append(reason)
            image = await self._tools.revise(image.id, lambda now: marked(now, failed=[store_id]))
            return replace(image, **self._formats), source

    async def _write(self, image: Image, target: DataStore, source: Source) -> tuple[Image, Source]:
        tools = self._tools
        check = self._check(image)
        limits = await tools.limits_of(image)
        intake = Intake(tools, image, target, image.size if image.checksum else None, limits)
        await tools.records.add_claim(intake.claim, lease=tools.lease, limits=limits)
        try:
            measured = await self._taken(intake, image, source, check)
            virtual_size = image.virtual_size if image.checksum else self._judged(measured, image)
            location = target.location(intake.claim.url)

            def decide(now: Image) -> Image:
                self._require_lock(now)
                if self._is_first(now):
                    require_checked(check, now.properties)
                return self._activated(marked(filled(now, location, measured, virtual_size), done=[target.id]))

            image = await tools.revise(image.id, decide, limits=limits, effects=Effects(done=(intake.claim.id,)))
        except BaseException:
            await asyncio.shield(give_up_claim(tools, intake.claim))
            raise
        return image, ObjectSource(target, location.url)

    def _check(self, image: Image) -> Check | None:
        return check_of(image.properties, self._kept) if self._is_first(image) else None

    def _is_first(self, image: Image) -> bool:
        """Tell whether a signature is to be verified: other stores get nothing but the data that was, as do copies."""
        return not (self._plan.copies or image.locations)

    async def _taken(self, intake: Intake, image: Image, source: Source, check: Check | None) -> Measured:
        """Write the data, and see whether it is what the record says where that says something."""
        settings, known = self._tools.settings, image.checksum is not None
        try:
            measured = await intake.take(
                self._counted(bounded(source.read(), expected=intake.expected, cap=settings.image_size_cap)),
                algorithm=image.os_hash_algo or settings.hashing_algorithm,
                inspect=image.container_format == "bare" and not known,
                check=check,
            )
        except (LeaseLost, QuotaExceeded):
            raise
        except StoreError as error:
            raise TaskFailed(str(error)) from error
        _require_same(measured, image)
        return measured

    def _judged(self, measured: Measured, image: Image) -> int | None:
        """Give the virtual size of data that was inspected. Raises UnsupportedContent, SourceFailed."""
        settings = self._tools.settings
        if self._formats and measured.formats is not None:
            try:
                require_exactly(measured.formats, image, settings)
            except UnsupportedContent as refusal:
                # What is hidden in a disk shows only when it has been converted, and is no store's fault.
                raise SourceFailed(f"The converted data is refused: {refusal}") from None
        return virtual_size_of(measured, image, settings)

    def _target(self, store_id: str) -> DataStore:
        store = self._tools.stores.get(store_id)
        if store is None:
            raise TaskFailed("it is not one of this service's stores any more.")
        return store

    def _activated(self, image: Image) -> Image:
        """Let the image be used: after the last store, or after the first where the others may fail."""
        ready = not (self._plan.all_must_succeed and stores_in(image, IMPORTING))
        return replace(image, status="active", **self._formats) if ready and image.status == "importing" else image

    async def _counted(self, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        size = 0
        async for block in blocks:
            size += len(block)
            self._progress.copied(size)
            yield block

    async def _finish(self) -> None:
        told = "; ".join(self._reasons)

        def decide(now: Image) -> Image:
            self._require_lock(now)
            if now.status not in {"active", "deactivated"}:
                raise TaskFailed(told or "No store took the data.")
            # What an attempt that died had still to write, its successor may have found written.
            return unlocked(marked(now, done=stores_in(now, IMPORTING)))

        done = ended(self._tools, self._task, "success", result={"image_id": self._image_id})
        await self._end(decide, replace(done, message=told or self._progress.message))

    async def fail(self, failure: Exception) -> None:
        """Put the image right, and remove what was written of it; the reason is for its owner."""
        alone = self._plan.all_must_succeed and not self._fetches() and self._failing is not None
        failed = {self._failing or ""} if alone else set(self._plan.stores)
        requeues = isinstance(failure, QuotaExceeded) or (isinstance(failure, ImportFailed) and failure.over_quota)

        def decide(now: Image) -> Image:
            self._require_lock(now)
            image = self._undone(now, requeues=requeues)
            kept = self._held_by(image)
            return unlocked(marked(image, failed=failed - kept, done=set(self._plan.stores) - (failed - kept)))

        await self._end(decide, ended(self._tools, self._task, "failure", message=str(failure)))

    def _undone(self, image: Image, *, requeues: bool) -> Image:
        if self._plan.copies:
            if not self._plan.all_must_succeed:
                return image
            kept = [each for each in image.locations if each.metadata.get("store", UNNAMED) not in self._plan.stores]
            return replace(image, locations=tuple(kept))
        if image.status not in {"importing", METHODS[self._plan.method].needs}:
            return image  # it is in use: what it has it keeps
        if self._before:
            image = without_copied(image, self._before)
        # A plugin's failure sends Glance's images back to the queue by any method.
        stays = METHODS[self._plan.method].failed == "importing" and self._plan.all_must_succeed
        stays = stays and not (requeues or self._changes(image))
        return replace(emptied(image), status="importing") if stays else emptied(image)

    async def _end(self, decide: Callable[[Image], Image], task: Task) -> None:
        """Save the image and the ended task together; what was staged, half written or taken off is garbage."""
        dropped = tuple(claim.id for claim in await self._tools.records.claims(self._image_id))
        await self._save(decide, dropped, task)
        self._tools.sweep.set()

    async def _save(
        self,
        decide: Callable[[Image], Image],
        dropped: tuple[str, ...],
        task: Task | None = None,
        limits: Limits = UNLIMITED,
    ) -> Image:
        """Save the image, and drop claims; what it has no longer is garbage."""
        tools = self._tools

        async def read() -> View:
            return await tools.records.get(self._image_id, None, locations=True)

        async def save(before: View, image: Image) -> Image:
            kept = {each.url for each in image.locations}
            gone = garbage_of(tools, image, [each for each in before.image.locations if each.url not in kept])
            effects = Effects(added=gone, dropped=dropped, task=task)
            return await tools.records.save(replace(image, updated_at=tools.clock()), limits=limits, effects=effects)

        return (await revise(read, lambda view: decide(view.image), save)).image

    def _fetches(self) -> bool:
        return self._plan.method in {"web-download", "glance-download"}

    def _held_by(self, image: Image) -> set[str]:
        """Tell in which of the stores to import into the data is already, put there by an earlier attempt."""
        return {str(each.metadata.get("store", UNNAMED)) for each in image.locations} & set(self._plan.stores)

    def _require_lock(self, image: Image) -> None:
        if image.properties.get(LOCK) != self._task.id:
            raise LeaseLost("The image is not locked by this task any more.")


def _require_same(measured: Measured, image: Image) -> None:
    """Raise TaskFailed unless the data is what the image's record says, where that says something."""
    if image.checksum is not None and (image.checksum, image.os_hash_value) != (
        measured.checksum,
        measured.os_hash_value or image.os_hash_value,
    ):
        raise TaskFailed("the data is not what the image's hashes say; it may be damaged where it was read.")
