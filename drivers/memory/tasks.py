"""Tasks in a dictionary."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from drivers.errors import LeaseLost, TaskNotFound, UnknownMarker
from drivers.memory.state import MemoryState
from drivers.tasks import Task, TaskQuery

RUNNABLE = frozenset({"pending", "processing"})
LONG_AGO = datetime.min.replace(tzinfo=UTC)


class MemoryTasks(MemoryState):
    """Keeps the contract of TaskStore."""

    async def add_task(self, task: Task) -> None:
        """See TaskStore.add_task."""
        if task.id in self._tasks:
            raise _lost(task)
        self._keep_task(task)

    async def take_tasks(self, limit: int, *, lease: timedelta, updated_at: datetime) -> Sequence[Task]:
        """See TaskStore.take_tasks."""
        now = self._clock()
        due = _by_age(self._tasks[task_id] for task_id, at in self._tasks_due.items() if at <= now)[:limit]
        for task in due:
            taken = replace(task, status="processing", attempt=task.attempt + 1, updated_at=updated_at)
            self._tasks[task.id] = taken
            self._tasks_due[task.id] = self._after(lease)
        return [self._tasks[task.id] for task in due]

    async def renew_task(self, task: Task, *, lease: timedelta) -> None:
        """See TaskStore.renew_task."""
        kept = self._held(task)
        if kept.status != "processing":
            raise _lost(task)
        self._tasks[task.id] = replace(kept, message=task.message, updated_at=task.updated_at)
        self._tasks_due[task.id] = self._after(lease)

    async def save_task(self, task: Task) -> None:
        """See TaskStore.save_task."""
        self._held(task)
        self._keep_task(task)

    async def task(self, task_id: str) -> Task:
        """See TaskStore.task."""
        try:
            return self._tasks[task_id]
        except KeyError:
            raise TaskNotFound(task_id) from None

    async def image_tasks(self, image_id: str) -> Sequence[Task]:
        """See TaskStore.image_tasks."""
        return _by_age(task for task in self._tasks.values() if task.image_id == image_id)

    async def list_tasks(self, query: TaskQuery) -> Sequence[Task]:
        """See TaskStore.list_tasks."""
        seen = {task.id: task for task in self._tasks.values() if _sees(query, task)}
        if query.marker is not None and query.marker not in seen:
            raise UnknownMarker(query.marker, "task")
        rows = sorted(seen.values(), key=lambda task: _rank(query, task), reverse=query.descending)
        if query.marker is not None:
            rows = rows[rows.index(seen[query.marker]) + 1 :]
        listed = [task for task in rows if all(getattr(task, field) == value for field, value in query.filters)]
        return listed[: query.limit]

    async def drop_tasks(self, expired_at: datetime) -> int:
        """See TaskStore.drop_tasks."""
        expired = [task.id for task in self._tasks.values() if task.expires_at and task.expires_at <= expired_at]
        for task_id in expired:
            del self._tasks[task_id]
            self._tasks_due.pop(task_id, None)
        return len(expired)

    def _held(self, task: Task) -> Task:
        kept = self._tasks.get(task.id)
        if kept is None or kept.status not in RUNNABLE or kept.attempt != task.attempt:
            raise _lost(task)
        return kept

    def _check_task(self, task: Task | None) -> None:
        """Let a task pass that is new or held; one that somebody took up once is not new. Raise LeaseLost."""
        if task is not None and (task.attempt or task.id in self._tasks):
            self._held(task)

    def _keep_task(self, task: Task, own: timedelta = timedelta()) -> None:
        self._tasks[task.id] = task
        if task.status == "pending":
            self._tasks_due[task.id] = self._clock()
        elif task.status == "processing":
            self._tasks_due.setdefault(task.id, self._after(own))
        else:
            self._tasks_due.pop(task.id, None)


def _lost(task: Task) -> LeaseLost:
    return LeaseLost(f"The lease of the task {task.id} is lost.")


def _by_age(tasks: Iterable[Task]) -> list[Task]:
    return sorted(tasks, key=lambda task: (task.created_at, task.id))


def _sees(query: TaskQuery, task: Task) -> bool:
    ours = query.project_id is None or query.project_id == task.owner
    return ours and (task.expires_at is None or task.expires_at >= query.now)


def _rank(query: TaskQuery, task: Task) -> tuple[Any, ...]:
    key = getattr(task, query.sort_key)
    if key is None:
        key = LONG_AGO if query.sort_key == "expires_at" else ""
    return key, task.created_at, task.id
