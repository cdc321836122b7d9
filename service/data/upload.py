"""Upload and stage: one request's body becomes an image's data, or nothing of it stays (reference section 2.2)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

from msgspec.structs import replace

from drivers.claims import Claim, Effects
from drivers.errors import ImageNotFound, LeaseLost, QuotaExceeded
from drivers.records import Image, Status
from drivers.usage import Limits
from service.data.blocks import bounded
from service.data.filling import filled, virtual_size_of
from service.data.intake import Intake, give_up
from service.data.measure import Measured
from service.data.signatures import Check, require_checked, signature_of
from service.data.stores import DataStore
from service.data.tools import Tools
from service.marks import require_no_task
from service.refusals import BadRequest, Conflict, Gone
from service.settings import Secret

VANISHED = "The image was deleted, or changed its state, while its data came: nothing of the data is kept."


async def upload(
    tools: Tools, image: Image, target: DataStore, blocks: AsyncIterator[bytes], expected: int | None, token: Secret
) -> None:
    """Keep the blocks as the data of a queued image, which is active afterwards.

    With the caller's token the certificate is read that a signature is verified by. Raises Conflict, BadRequest,
    QuotaExceeded, UnsupportedContent, Gone, KeyManagerUnavailable, and what stores raise; the image is queued again
    then.
    """
    require_queued(image, "saving")
    require_formats(image)
    check = await _check(tools, image, token)
    limits = await tools.limits_of(image)
    intake = Intake(tools, image, target, expected, limits)
    image = await _begin(tools, intake, "saving", limits)
    await _carried(tools, intake.claim, _upload(tools, intake, image, target, blocks, limits, check))


async def _check(tools: Tools, image: Image, token: Secret) -> Check | None:
    """Make ready what will tell whether the data is what was signed, if anything was, before any of it is read."""
    signature = signature_of(image.properties)
    if signature is None:
        return None
    return signature.check(await tools.key_manager.certificate(signature.certificate_id, token))


async def _upload(
    tools: Tools,
    intake: Intake,
    image: Image,
    target: DataStore,
    blocks: AsyncIterator[bytes],
    limits: Limits,
    check: Check | None,
) -> None:
    measured = await _taken(tools, intake, blocks, inspect=image.container_format == "bare", check=check)
    virtual_size = virtual_size_of(measured, image, tools.settings)
    location = target.location(intake.claim.url)

    def decide(now: Image) -> Image:
        _require_still(now, "saving")
        require_checked(check, now.properties)
        return replace(filled(now, location, measured, virtual_size), status="active")

    await tools.revise(image.id, decide, limits=limits, effects=Effects(done=(intake.claim.id,)))


async def stage(tools: Tools, image: Image, blocks: AsyncIterator[bytes], expected: int | None) -> None:
    """Keep the blocks for an import of a queued image, which is uploading afterwards. Raises as `upload` does."""
    require_queued(image, "uploading")
    limits = await tools.limits_of(image)
    intake = Intake(tools, image, tools.stores.staging, expected)
    image = await _begin(tools, intake, "uploading", limits)
    await _carried(tools, intake.claim, _stage(tools, intake, image, blocks, limits))


async def _stage(tools: Tools, intake: Intake, image: Image, blocks: AsyncIterator[bytes], limits: Limits) -> None:
    measured = await _taken(tools, intake, blocks, inspect=False)

    def decide(now: Image) -> Image:
        _require_still(now, "uploading")
        return replace(now, size=measured.size)

    await tools.revise(image.id, decide, limits=limits, effects=Effects(staged=(intake.claim.id,)))


def require_queued(image: Image, wanted: Status) -> None:
    """Raise Conflict unless the image waits for its data, and no task is about to give it some."""
    if image.status != "queued":
        raise Conflict(f"Image status transition from {image.status} to {wanted} is not allowed")
    require_no_task(image)


def require_formats(image: Image) -> None:
    """Raise BadRequest unless both formats are set, as they must be before there is data (reference section 4)."""
    for name in ("container_format", "disk_format"):
        if getattr(image, name) is None:
            raise BadRequest(f"Property {name} must be set prior to saving data.")


async def _begin(tools: Tools, intake: Intake, status: Status, limits: Limits) -> Image:
    """Claim the image and the object, before the first byte is read."""
    cap, expected = tools.settings.image_size_cap, intake.expected
    if expected is not None and expected > cap:
        raise QuotaExceeded("bytes of an image", cap, expected)

    def decide(now: Image) -> Image:
        require_queued(now, status)
        # What is staged counts from the start, so that concurrent requests cannot overshoot a limit.
        return replace(now, status=status, size=expected if status == "uploading" else None)

    effects = Effects(added=(intake.claim,), lease=tools.lease)
    return await tools.revise(intake.claim.image_id, decide, limits=limits, effects=effects)


async def _taken(
    tools: Tools, intake: Intake, blocks: AsyncIterator[bytes], *, inspect: bool, check: Check | None = None
) -> Measured:
    checked = bounded(blocks, expected=intake.expected, cap=tools.settings.image_size_cap)
    return await intake.take(checked, algorithm=tools.settings.hashing_algorithm, inspect=inspect, check=check)


async def _carried(tools: Tools, claim: Claim, work: Awaitable[Any]) -> None:
    """Do what was begun, or, whatever goes wrong and even when the request is cancelled, give it up in good order."""
    try:
        await work
    except (LeaseLost, ImageNotFound):
        await asyncio.shield(give_up(tools, claim))
        raise Gone(VANISHED) from None
    except BaseException:
        await asyncio.shield(give_up(tools, claim))
        raise


def _require_still(image: Image, status: Status) -> None:
    if image.status != status:
        raise LeaseLost(VANISHED)
