"""A step that takes every block in order, in threads, however far other steps have come."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from threading import Lock

Step = Callable[[bytes], object]


class Lane:
    """The blocks on their way to one step; it has a thread for one block at a time, so that many lanes share a few."""

    def __init__(self, step: Step, executor: Executor) -> None:
        self._step = step
        self._executor = executor
        self._loop = asyncio.get_running_loop()
        self._lock = Lock()
        self._blocks: deque[bytes] = deque()
        self._at_work = False
        # Bytes that the step has not taken yet, how many of them somebody waits for, and what the step raised.
        self._ahead = self._most = 0
        self._waiter: asyncio.Future[None] | None = None
        self._failure: BaseException | None = None

    def put(self, block: bytes) -> None:
        """Let the step take a block after those before it."""
        with self._lock:
            self._ahead += len(block)
            self._blocks.append(block)
            begins, self._at_work = not self._at_work, True
        if begins:
            self._executor.submit(self._take)

    async def until(self, most: int) -> None:
        """Wait until the step is behind by at most so many bytes. Raises what it raised; no block may follow then."""
        while True:
            with self._lock:
                if self._failure is not None:
                    raise self._failure
                if self._ahead <= most:
                    return
                self._most, self._waiter = most, self._loop.create_future()
            await self._waiter

    def drop(self) -> None:
        """Let go of the blocks that the step has not begun with; no block may follow."""
        with self._lock:
            self._waiter = None
            self._blocks.clear()

    def _take(self) -> None:
        """Take a block, in a thread, and queue up behind the other lanes for the next one."""
        with self._lock:
            block = self._blocks.popleft() if self._blocks else b""
        try:
            self._step(block)
        except BaseException as failure:  # noqa: BLE001 - it is raised where the blocks come from
            self._failure = failure
        with self._lock:
            self._ahead -= len(block)
            self._at_work = bool(self._blocks) and self._failure is None
            if self._at_work:
                self._executor.submit(self._take)
            if self._waiter and (self._ahead <= self._most or self._failure):
                self._loop.call_soon_threadsafe(_wake, self._waiter)
                self._waiter = None


def _wake(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
