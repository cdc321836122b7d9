"""Many single reads answered by few batched ones, without a cache and so without staleness."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from itertools import islice
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Coalescer(Generic[K, V]):
    """Sends keys that arrive while a batch is on the wire together in the next one.

    A read only ever joins a batch that starts after it arrived, so a read that follows a write's answer sees the
    write. `fetch` takes distinct keys and returns the values found. At most `lanes` batches of at most `limit` keys
    are on the wire at a time.
    """

    def __init__(
        self, fetch: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]], *, lanes: int = 2, limit: int = 500
    ) -> None:
        self._fetch = fetch
        self._most = lanes
        self._limit = limit
        self._waiting: dict[K, list[asyncio.Future[V | None]]] = {}
        self._lanes: set[asyncio.Task[None]] = set()

    async def get(self, key: K) -> V | None:
        """Give the value of a key, or None; raise what the batch's fetch raised."""
        waiter: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(waiter)
        self._start_lane()
        return await waiter

    def _start_lane(self) -> None:
        if len(self._lanes) < self._most:
            lane = asyncio.get_running_loop().create_task(self._run())
            self._lanes.add(lane)
            lane.add_done_callback(self._end_lane)

    def _end_lane(self, lane: asyncio.Task[None]) -> None:
        # A key that came after the lane's last look at the queue, or behind a lane that was cancelled, wakes nobody.
        self._lanes.discard(lane)
        if _open(self._waiting):
            self._start_lane()

    async def _run(self) -> None:
        while batch := self._take():
            await self._answer(batch)

    def _take(self) -> dict[K, list[asyncio.Future[V | None]]]:
        waiting = self._waiting
        if len(waiting) <= self._limit:
            self._waiting = {}
            return waiting
        return {key: waiting.pop(key) for key in list(islice(waiting, self._limit))}

    async def _answer(self, batch: Mapping[K, list[asyncio.Future[V | None]]]) -> None:
        try:
            found = await self._fetch(tuple(batch))
        except asyncio.CancelledError:
            for waiter in _open(batch):
                waiter.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is for those who wait
            for waiter in _open(batch):
                waiter.set_exception(error)
        else:
            for key, waiters in batch.items():
                value = found.get(key)
                for waiter in waiters:
                    if not waiter.done():  # its reader may have gone away
                        waiter.set_result(value)


def _open(batch: Mapping[K, list[asyncio.Future[V | None]]]) -> list[asyncio.Future[V | None]]:
    return [waiter for waiters in batch.values() for waiter in waiters if not waiter.done()]
