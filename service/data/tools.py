"""What everybody needs who moves image data, in requests and behind them."""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from drivers.claims import NO_EFFECTS, Effects
from drivers.protocol import ImageStore
from drivers.records import Image, View
from drivers.tasks import Task
from drivers.usage import UNLIMITED, Limits
from service.cache.cache import Cache
from service.convert.converter import Converter
from service.data.stores import Stores
from service.key_manager import KeyManager
from service.limits.protocol import LimitSource
from service.metrics import Metrics, make_metrics
from service.revising import revise
from service.settings import Secret, Settings


class Remote(NamedTuple):
    """Another image service, if the caller's catalog has it, and the token of the caller to fetch from there with."""

    url: str | None
    token: Secret


class Handed(NamedTuple):
    """A task, and what it needs that must not be written down."""

    task: Task
    remote: Remote


class Tools(NamedTuple):
    """Records, stores and their rules; `sweep` and `work` wake those who remove garbage and take up tasks.

    `handed` are tasks that only this process can do. `cache` and `converter` are None where the settings ask for none.
    """

    settings: Settings
    records: ImageStore
    stores: Stores
    limits: LimitSource
    key_manager: KeyManager
    threads: Executor
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    metrics: Metrics
    sweep: asyncio.Event
    work: asyncio.Event
    handed: "deque[Handed]"
    cache: Cache | None
    converter: Converter | None

    @property
    def lease(self) -> timedelta:
        """How long a process that is silent keeps what it works on."""
        return timedelta(seconds=self.settings.lease_seconds)

    async def limits_of(self, image: Image) -> Limits:
        """Give the limits of the image's owner. Raises LimitsUnavailable."""
        return UNLIMITED if image.owner is None else await self.limits.limits(image.owner)

    async def revise(
        self,
        image_id: str,
        decide: Callable[[Image], Image | None],
        *,
        limits: Limits = UNLIMITED,
        effects: Effects = NO_EFFECTS,
    ) -> Image:
        """Change an image on the service's own account; see `revise`, and ImageStore.save for what is raised."""

        async def read() -> View:
            return await self.records.get(image_id, None, locations=True)

        async def save(_before: View, image: Image) -> Image:
            return await self.records.save(replace(image, updated_at=self.clock()), limits=limits, effects=effects)

        return (await revise(read, lambda view: decide(view.image), save)).image


def make_tools(
    settings: Settings,
    records: ImageStore,
    stores: Stores,
    limits: LimitSource,
    key_manager: KeyManager,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
    cache: Cache | None = None,
    converter: Converter | None = None,
) -> Tools:
    """Put the tools together; whoever passes the parts in closes them."""
    return Tools(
        settings,
        records,
        stores,
        limits,
        key_manager,
        # Two hashes and an inspection for each of several uploads share the cores; more threads would only wait.
        ThreadPoolExecutor((os.cpu_count() or 1) + 2, thread_name_prefix="data"),
        clock,
        new_id,
        make_metrics(),
        sweep=asyncio.Event(),
        work=asyncio.Event(),
        handed=deque(),
        cache=cache,
        converter=converter,
    )
