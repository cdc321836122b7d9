"""Takes up tasks, whichever process they came to, and sees each through or says why it failed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from drivers.errors import ImageNotFound, LeaseLost, QuotaExceeded, StoreError, Unstorable
from drivers.tasks import Task, TaskStatus, TaskType
from service.data.held import while_held
from service.data.tools import Remote, Tools
from service.limits.protocol import LimitsUnavailable
from service.refusals import Refusal

logger = logging.getLogger(__name__)

# A share of the lease: how long a task of a process that died may wait to be found when its lease is out.
LOOKS = 3
# How often a task is begun: one for each process of a large deployment that is restarted meanwhile.
ATTEMPTS = 200


class Progress:
    """What a running task has to tell meanwhile; the next renewal of its lease writes it down."""

    def __init__(self) -> None:
        self.message = ""

    def copied(self, size: int) -> None:
        """Tell how many bytes have been copied."""
        self.message = f"Copied {size >> 20} MiB"

    def converting(self) -> None:
        """Tell that the data is made ready, which takes a while."""
        self.message = "Converting"


class TaskFailed(Exception):
    """A task cannot succeed; the text is for the owner of its image. The image has been put right already."""


# Does a task. What it returns is the result of the task, unless it has ended the task itself (None). Raises TaskFailed.
Job = Callable[[Tools, Task, Progress, Remote | None], Awaitable[dict[str, Any] | None]]


async def settle(
    tools: Tools, task: Task, work: Callable[[], Awaitable[None]], fail: Callable[[Exception], Awaitable[None]]
) -> None:
    """Work, or put right what comes of it that cannot be helped by trying again; raise what can be.

    A task that was taken up again and again, and never came to an end, may be what ends its processes: it fails, too.
    """
    try:
        if task.attempt > ATTEMPTS:
            await fail(TaskFailed(f"It was begun {ATTEMPTS} times, and no process came to its end."))
        else:
            await work()
    except ImageNotFound:
        raise TaskFailed("The image was deleted.") from None
    except (TaskFailed, Refusal, QuotaExceeded, Unstorable) as failure:
        await _failing(fail, failure)
    except (StoreError, LimitsUnavailable):
        raise
    except Exception:
        logger.exception("Task %s failed in a way nobody expected", task.id)
        await _failing(fail, TaskFailed(f"Something went wrong in the service; its log tells more of task {task.id}."))


async def _failing(fail: Callable[[Exception], Awaitable[None]], failure: Exception) -> None:
    try:
        await fail(failure)
    except ImageNotFound:
        raise TaskFailed("The image was deleted.") from None


class Runner:
    """Works on several tasks at a time, each under a lease that others wait for to run out."""

    def __init__(self, tools: Tools, jobs: Mapping[TaskType, Job]) -> None:
        self._tools = tools
        self._jobs = jobs
        self._running: set[asyncio.Task[None]] = set()

    async def keep_working(self) -> None:
        """Take up tasks when somebody has one, when one ends, and a few times within a lease, until cancelled."""
        try:
            while True:
                await self._take_up()
                await self._pause()
        finally:
            for running in self._running:
                running.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def _take_up(self) -> None:
        tools = self._tools
        while tools.handed:
            self._start(*tools.handed.popleft())
        free = tools.settings.import_workers - len(self._running)
        if free <= 0:
            return
        try:
            tasks = await tools.records.take_tasks(free, lease=tools.lease, updated_at=tools.clock())
        except StoreError as error:
            logger.warning("Tasks are not taken up for now: %s", error)
            return
        for task in tasks:
            self._start(task)

    def _start(self, task: Task, remote: Remote | None = None) -> None:
        running = asyncio.create_task(self._run(task, remote))
        self._running.add(running)
        running.add_done_callback(self._end)

    def _end(self, running: "asyncio.Task[None]") -> None:
        self._running.discard(running)
        self._tools.work.set()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._tools.lease.total_seconds() / LOOKS):
                await self._tools.work.wait()
        except TimeoutError:
            pass
        self._tools.work.clear()

    async def _run(self, task: Task, remote: Remote | None) -> None:
        tools, progress = self._tools, Progress()

        async def renew() -> None:
            told = replace(task, message=progress.message, updated_at=tools.clock())
            await tools.records.renew_task(told, lease=tools.lease)

        try:
            done = await while_held(self._done(task, progress, remote), renew, tools.lease)
            if done:
                await tools.records.save_task(done)
        except LeaseLost:
            logger.warning("Task %s was taken over by another process, or is gone", task.id)
        except asyncio.CancelledError:
            # This process stops: another one need not wait for the lease to run out.
            await asyncio.shield(tools.records.save_task(replace(task, status="pending", updated_at=tools.clock())))
            raise
        except (StoreError, LimitsUnavailable) as error:
            logger.warning("Task %s stays for whoever takes it up next: %s", task.id, error)

    async def _done(self, task: Task, progress: Progress, remote: Remote | None) -> Task | None:
        """Do a task; give it as it is when it has ended, None when the job has seen to that."""
        try:
            result = await self._jobs[task.type](self._tools, task, progress, remote)
        except (TaskFailed, Refusal) as failure:
            return ended(self._tools, task, "failure", message=str(failure))
        return None if result is None else ended(self._tools, task, "success", result=result)


def ended(
    tools: Tools, task: Task, status: TaskStatus, *, result: dict[str, Any] | None = None, message: str = ""
) -> Task:
    """Give a task as it is after its end, to be forgotten after the time that the settings tell."""
    tools.metrics.tasks_ended.labels(task.type, status).inc()
    now = tools.clock()
    expires_at = now + timedelta(hours=tools.settings.task_time_to_live)
    return replace(
        task, status=status, result=result, message=message or task.message, updated_at=now, expires_at=expires_at
    )
