"""Data into a store by the commit protocol: claimed before its first byte, visible only when all of it is safe."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress

from msgspec.structs import replace

from drivers.claims import Claim, Effects
from drivers.errors import ImageNotFound, QuotaExceeded, StoreError
from drivers.records import Image, View
from drivers.usage import UNLIMITED, Limits
from service.data.blocks import ahead
from service.data.held import while_held
from service.data.measure import Measured, Meter
from service.data.signatures import Check
from service.data.stores import DataStore
from service.data.tools import Tools
from service.revising import revise

logger = logging.getLogger(__name__)

# How many bytes at a time are reserved for data whose size nobody told.
STEP = 64 << 20


class Intake:
    """One object on its way into a store, under a claim; the claim itself is begun and ended with its image.

    Where `limits` bound the owner's bytes, room for the object is reserved: at once if its size is expected, else as
    it grows.
    """

    def __init__(
        self, tools: Tools, image: Image, target: DataStore, expected: int | None, limits: Limits = UNLIMITED
    ) -> None:
        claim_id = tools.new_id()
        self._tools = tools
        self._target = target
        self._limits = limits
        self._limited = limits.bytes >= 0 and image.owner is not None
        self.expected = expected
        self.claim = Claim(
            id=claim_id,
            image_id=image.id,
            store=target.id,
            # Not the image's id alone: what a writer that lost its claim leaves behind is nobody else's.
            url=target.blobs.locate(f"{image.id}.{claim_id[:8]}"),
            project_id=image.owner,
            reserved=(expected or 0) if self._limited else 0,
        )
        self._reserved = self.claim.reserved
        self._renewal = asyncio.Lock()

    async def take(
        self, blocks: AsyncIterator[bytes], *, algorithm: str, inspect: bool, check: Check | None = None
    ) -> Measured:
        """Write all blocks, under the claim that was begun, and tell what they were.

        Raises what the blocks raise, LeaseLost, QuotaExceeded, what BlobStore.write does, and BadRequest for data that
        does not pass the check of a signature.
        """
        signed = check.algorithm if check else None
        meter = Meter(self._tools.threads, algorithm, inspect=inspect, signed=signed)
        async with aclosing(ahead(blocks)) as coming, aclosing(meter.through(self._reserving(coming))) as measured:
            writing = self._target.blobs.write(self.claim.url, measured, size=self.expected)
            await while_held(writing, self._renew, self._tools.lease)
        result = meter.result()
        if check:
            await asyncio.get_running_loop().run_in_executor(self._tools.threads, check.verify, result.signed)
        return result

    async def _reserving(self, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Reserve room in the project's quota before data of unknown size is written."""
        size = 0
        async for block in blocks:
            size += len(block)
            if self._limited and size > self._reserved:
                await self._reserve(size)
            yield block

    async def _reserve(self, size: int) -> None:
        try:
            await self._renew(size + STEP)
        except QuotaExceeded:
            await self._renew(size)

    async def _renew(self, reserved: int | None = None) -> None:
        """Renew the lease, and reserve more where told so; in turns, as a late renewal would take the room back."""
        async with self._renewal:
            wanted = self._reserved if reserved is None else reserved
            await self._tools.records.renew_claim(
                self.claim.id, lease=self._tools.lease, reserved=wanted, limits=self._limits
            )
            self._reserved = wanted


def queued_again(image: Image) -> Image | None:
    """Give an image that was being uploaded or staged as it is when nothing came of it; None for any other."""
    if image.status not in {"saving", "uploading"}:
        return None
    return replace(image, status="queued", size=None, virtual_size=None)


async def put_back(tools: Tools, claim: Claim) -> None:
    """Make an image queued again, and its claim garbage, unless somebody else has: then another upload may be on."""
    owned = False

    async def read() -> View:
        nonlocal owned
        view = await tools.records.get(claim.image_id, None, locations=True)
        # Looked at after the image, of which every change of its claims makes a new revision.
        claims = await tools.records.claims(claim.image_id)
        owned = any(each.id == claim.id and each.state in {"writing", "lost"} for each in claims)
        return view

    async def save(_: View, image: Image) -> Image:
        changed = replace(image, updated_at=tools.clock())
        return await tools.records.save(changed, effects=Effects(dropped=(claim.id,)))

    with suppress(ImageNotFound):  # it was deleted: then only its data is in the way
        await revise(read, lambda view: queued_again(view.image) if owned else None, save)


async def give_up(tools: Tools, claim: Claim) -> None:
    """Remove what a claim stands for, and make its image queued again if it was being uploaded."""
    try:
        await put_back(tools, claim)
    except StoreError as error:
        logger.warning("Image %s stays as it is until the lease of its claim is out: %s", claim.image_id, error)
        tools.sweep.set()
    else:
        await give_up_claim(tools, claim)


async def give_up_claim(tools: Tools, claim: Claim) -> None:
    """Remove what a claim stands for, its image left as it is."""
    try:
        await tools.records.drop_claims([claim.id])
        store = tools.stores.get(claim.store)
        # A sweeper that took the claim for dead may have looked before the object was there; but where an image has it,
        # and only the news of it was lost, it is to stay.
        if store is not None and not await tools.records.known_urls(claim.store, [claim.url]):
            await store.blobs.delete(claim.url)
    except StoreError as error:
        logger.warning("An object of image %s stays until the next sweep: %s", claim.image_id, error)
    tools.sweep.set()
