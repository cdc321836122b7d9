"""Work that goes on after its request was answered, and what lists of it ask for."""

from datetime import datetime
from typing import Any, Literal

import msgspec

TaskType = Literal["import", "api_image_import", "location_import"]
TaskStatus = Literal["pending", "processing", "success", "failure"]


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of work (reference section 2.10), times in UTC.

    `attempt` counts how often a process took it up; a process whose attempt is not the last may not touch it any more.
    `expires_at` is when a task that has ended is forgotten. `input`, `result` and `private` are JSON objects; whoever
    works on the task may need the last, which is shown to nobody.
    """

    id: str
    type: TaskType
    status: TaskStatus = "pending"
    owner: str | None
    created_at: datetime
    updated_at: datetime
    image_id: str | None = None
    request_id: str | None = None
    user_id: str | None = None
    input: dict[str, Any] = {}
    result: dict[str, Any] | None = None
    message: str = ""
    expires_at: datetime | None = None
    attempt: int = 0
    private: dict[str, Any] | None = None


TaskSortKey = Literal["id", "type", "status", "owner", "created_at", "updated_at", "expires_at"]


class TaskQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One page of tasks. `project_id` None lists everybody's; tasks that expired before `now` are gone.

    `filters` are equalities, which null never fulfils. Null sorts as the empty text, or as a time before all. The order
    ends in `created_at` and `id`, in the same direction. The page starts after the task `marker`, listed or not.
    """

    now: datetime
    project_id: str | None
    filters: tuple[tuple[Literal["id", "type", "status", "owner", "image_id", "request_id", "user_id"], str], ...] = ()
    sort_key: TaskSortKey = "created_at"
    descending: bool = True
    marker: str | None = None
    limit: int = 25
