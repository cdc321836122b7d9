"""The parameters of a list of tasks (reference section 2.10)."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, get_args

from drivers.tasks import TaskQuery, TaskSortKey, TaskStatus
from service.links import Pairs
from service.query import read_limit
from service.refusals import BadRequest
from service.settings import Settings

KEYS: Mapping[str, TaskSortKey] = MappingProxyType({name: name for name in get_args(TaskSortKey)})
# Of the types, a list can only be asked for the old one, as in Glance.
VALUES: Mapping[str, tuple[str, ...]] = MappingProxyType({"status": get_args(TaskStatus), "type": ("import",)})
FILTERS = ("id", "type", "status", "owner", "image_id", "request_id", "user_id")


def read_task_query(pairs: Pairs, settings: Settings, now: datetime) -> TaskQuery:
    """Read what is asked for; unknown parameters are passed over. Raises BadRequest."""
    given = dict(pairs)
    key, direction = given.get("sort_key", "created_at"), given.get("sort_dir", "desc")
    if key not in KEYS:
        raise BadRequest(f"'sort_key' is none of: {', '.join(KEYS)}.")
    if direction not in {"asc", "desc"}:
        raise BadRequest("'sort_dir' must be 'asc' or 'desc'.")
    for name, values in VALUES.items():
        if name in given and given[name] not in values:
            raise BadRequest(f"'{name}' is none of: {', '.join(values)}.")
    filters: Any = tuple((name, given[name]) for name in FILTERS if name in given)
    return TaskQuery(
        now=now,
        project_id=None,
        filters=filters,
        sort_key=KEYS[key],
        descending=direction == "desc",
        marker=given.get("marker"),
        limit=read_limit(given.get("limit"), settings),
    )
