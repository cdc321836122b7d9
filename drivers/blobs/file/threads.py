"""Calls that a storage may keep waiting for ever, on a few threads of a store's own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock, Thread
from time import monotonic
from typing import Any, Generic, TypeVar

from drivers.blobs.file.faults import refusal
from drivers.errors import StoreUnavailable

T = TypeVar("T")

SLOW = "The store's file system does not answer in time."
STUCK = "The store's file system has not answered for long: no more is asked of it until it does."


class Call(Generic[T]):
    """A call on its way through a thread: when it began, and its result."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.began: float | None = None
        self.result: Future[T]
        self._clock = clock

    def make(self, made: Callable[[], T]) -> T:
        """Make the call, in a thread; what it uses is not kept."""
        self.began = self._clock()
        return made()


class Threads:
    """Makes calls that block, and lets each take at most `timeout` seconds; for its turn it may have to wait longer.

    No thread can be ended, so a call that nobody waits for any more runs on; `Held` is for what such calls use. Once as
    many calls are overdue as there are threads, all others are refused.
    """

    def __init__(self, count: int, timeout: float, clock: Callable[[], float] = monotonic) -> None:
        self._count = count
        self._timeout = timeout
        self._clock = clock
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="vitrine-file")
        # By their results, which then know nothing of their calls: cycles would keep blocks until they are collected.
        self._under_way: dict[Future[Any], Call[Any]] = {}

    async def run(self, make: Callable[[], T]) -> T:
        """Make a call and wait for its result. Raise StoreUnavailable, StoreFull, and what else the call raises."""
        return await self.wait(self.start(make))

    def start(self, make: Callable[[], T]) -> Call[T]:
        """Begin a call, for `wait`. Raise StoreUnavailable."""
        self._check_moving()
        call = Call[T](self._clock)
        call.result = self._pool.submit(call.make, make)
        self._under_way[call.result] = call
        call.result.add_done_callback(self._under_way.pop)
        return call

    async def wait(self, call: Call[T]) -> T:
        """Wait for a call's result. Raise as `run` does."""
        result = asyncio.wrap_future(call.result)
        try:
            while not (await asyncio.wait([result], timeout=self._left(call)))[0]:
                if self._left(call) <= 0:
                    raise StoreUnavailable(SLOW)
                self._check_moving()
            return result.result()
        except OSError as error:
            raise refusal(error) from error
        finally:
            result.cancel()

    def _left(self, call: Call[Any]) -> float:
        """Tell how many seconds a call still has; one that has not begun has them all."""
        return self._timeout if call.began is None else call.began + self._timeout - self._clock()

    def _check_moving(self) -> None:
        if sum(self._left(call) <= 0 for call in self._under_way.copy().values()) >= self._count:
            raise StoreUnavailable(STUCK)

    def leave(self, call: Callable[[], object]) -> None:
        """Make a call for which nobody waits, and which may not fail to be made."""
        try:
            self._pool.submit(call)
        except RuntimeError:  # closed already, so that no thread can be kept from other work
            call()

    async def close(self) -> bool:
        """Let the calls under way end, and tell whether they did in time."""
        ended: Future[None] = Future()
        ended.set_running_or_notify_cancel()

        def end() -> None:
            self._pool.shutdown()
            ended.set_result(None)

        Thread(target=end, daemon=True).start()
        return await self.happens(ended)

    async def happens(self, event: Future[None]) -> bool:
        """Tell whether it happens in time."""
        done, _ = await asyncio.wait([asyncio.wrap_future(event)], timeout=self._timeout)
        return bool(done)


class Held:
    """Something that threads use: `end` is called, by a thread, once its owner and the last call are done with it."""

    def __init__(self, threads: Threads, end: Callable[[], object]) -> None:
        self._threads = threads
        self._end = end
        self._users = 1
        self._lock = Lock()
        self._ended: Future[None] = Future()
        self._ended.set_running_or_notify_cancel()

    async def run(self, make: Callable[[], T]) -> T:
        """Make a call that uses it, as `Threads.run` does."""
        return await self._threads.wait(self.start(make))

    def start(self, make: Callable[[], T]) -> Call[T]:
        """Begin a call that uses it, as `Threads.start` does."""
        call = self._threads.start(make)
        with self._lock:
            self._users += 1
        call.result.add_done_callback(self._drop)
        return call

    def release(self) -> None:
        """Have no further use for it."""
        self._threads.leave(self._drop)

    async def close(self) -> None:
        """Have no further use for it, and see its end, if that is not long in coming."""
        self.release()
        await self._threads.happens(self._ended)

    def _drop(self, _: object = None) -> None:
        with self._lock:
            self._users -= 1
            last = self._users == 0
        if last:
            try:
                self._end()
            finally:
                self._ended.set_result(None)
