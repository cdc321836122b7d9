"""What the parts of the driver share: the dictionaries, and the count of what projects hold."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from drivers.claims import Claim
from drivers.records import Image, Member
from drivers.tasks import Task
from drivers.usage import UNLIMITED, Limits, Usage, check_limits


class MemoryState:
    """Holds all records; `clock` tells seconds that never run backwards, by which leases run out.

    When a claim may be taken, at once or once a lease ran out, is in `_claims_due`, for tasks in `_tasks_due`.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._images: dict[str, Image] = {}
        self._ids: set[str] = set()
        self._members: dict[str, dict[str, Member]] = {}
        self._usage: dict[str, Usage] = {}
        self._claims: dict[str, Claim] = {}
        self._claims_due: dict[str, float] = {}
        self._tasks: dict[str, Task] = {}
        self._tasks_due: dict[str, float] = {}

    async def usage(self, project_id: str) -> Usage:
        """See ImageStore.usage."""
        return self._usage.get(project_id, Usage())

    def _count(self, changes: Mapping[str, Usage], limits: Limits = UNLIMITED) -> None:
        held = {project_id: self._usage.get(project_id, Usage()) + change for project_id, change in changes.items()}
        for project_id, change in changes.items():
            check_limits(held[project_id], change, limits)
        self._usage |= held

    def _after(self, lease: timedelta) -> float:
        return self._clock() + lease.total_seconds()
