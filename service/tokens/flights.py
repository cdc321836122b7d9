"""One flight per key: whoever asks for what is already being fetched shares its outcome."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


class Flights(Generic[Key, Result]):
    """Coroutines under way, at most one per key; none is remembered once it has ended."""

    def __init__(self) -> None:
        self._tasks: dict[Key, asyncio.Task[Result]] = {}

    async def join(self, key: Key, start: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Await the outcome for the key, result or error, of the flight under way or of a new one.

        A cancelled waiter leaves; the flight goes on for the others.
        """
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(start())
            task.add_done_callback(lambda ended: self._land(key, ended))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Cancel all flights, and so whoever waits for them."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _land(self, key: Key, ended: "asyncio.Task[Result]") -> None:
        del self._tasks[key]
        if not ended.cancelled():
            # Asking for the error keeps asyncio from complaining when every waiter has left.
            ended.exception()
