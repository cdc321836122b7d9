"""Calls that a storage may keep waiting for ever, on a few threads of a store's own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from threading import Lock, Thread
from typing import Any, TypeVar

from drivers.blobs.file.faults import refusal
from drivers.errors import StoreUnavailable

T = TypeVar("T")

SLOW = "The store's file system does not answer in time."
STUCK = "The store's file system has not answered for long: no more is asked of it until it does."


class Threads:
    """Makes calls that block, and waits at most `timeout` seconds for each.

    No thread can be ended, so a call that nobody waits for any more runs on; `Held` is for what such calls use. While
    as many calls are overdue as there are threads, every other one is refused at once.
    """

    def __init__(self, count: int, timeout: float) -> None:
        self.timeout = timeout
        self._count = count
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="vitrine-file")
        self._overdue: set[Future[Any]] = set()

    async def run(self, call: Callable[[], T]) -> T:
        """Make a call and wait for its result. Raise StoreUnavailable, StoreFull, and what else the call raises."""
        return await self.wait(self.start(call))

    def start(self, call: Callable[[], T]) -> Future[T]:
        """Begin a call, for `wait`. Raise StoreUnavailable."""
        if len(self._overdue) >= self._count:
            raise StoreUnavailable(STUCK)
        return self._pool.submit(call)

    async def wait(self, future: Future[T]) -> T:
        """Wait for a call's result. Raise as `run` does."""
        try:
            async with asyncio.timeout(self.timeout):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            if not future.cancel() and not future.done():
                self._overdue.add(future)
                future.add_done_callback(self._overdue.discard)
            raise StoreUnavailable(SLOW) from error
        except OSError as error:
            raise refusal(error) from error

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
        with suppress(TimeoutError):
            async with asyncio.timeout(self.timeout):
                await asyncio.shield(asyncio.wrap_future(event))
                return True
        return False


class Held:
    """Something that threads use: `end` is called, by a thread, once its owner and the last call are done with it."""

    def __init__(self, threads: Threads, end: Callable[[], object]) -> None:
        self._threads = threads
        self._end = end
        self._users = 1
        self._lock = Lock()
        self._ended: Future[None] = Future()
        self._ended.set_running_or_notify_cancel()

    async def run(self, call: Callable[[], T]) -> T:
        """Make a call that uses it, as `Threads.run` does."""
        return await self._threads.wait(self.start(call))

    def start(self, call: Callable[[], T]) -> Future[T]:
        """Begin a call that uses it, as `Threads.start` does."""
        future = self._threads.start(call)
        with self._lock:
            self._users += 1
        future.add_done_callback(self._drop)
        return future

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
