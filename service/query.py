"""The parameters of a list, as the query that they ask of the store (reference section 6)."""

from collections.abc import Mapping
from typing import Literal, cast, get_args

from drivers.query import Filter, ImageQuery
from drivers.records import MemberStatus, Visibility
from service.caller import Caller
from service.fields import offers_locations
from service.filters import NEVER, read_filter, read_integer
from service.links import Pairs
from service.refusals import BadRequest
from service.rules import Rules
from service.settings import Settings
from service.sorting import read_order

Properties = tuple[tuple[str, str], ...]

VISIBILITIES = (*get_args(Visibility), "all")
MEMBER_STATUSES = (*get_args(MemberStatus), "all")
# As many properties as an image has by default; each costs the database a look.
MOST_CONDITIONS = 128
# What is no condition on a field or a property. Deleted images are gone, so `deleted` has nothing to choose from.
NOT_FILTERS = frozenset(
    {"limit", "marker", "sort", "sort_key", "sort_dir", "visibility", "member_status", "os_hidden", "tag", "deleted"}
)


def read_query(pairs: Pairs, rules: Rules, caller: Caller) -> ImageQuery:
    """Read what a caller asks for; of a parameter given twice the last counts, unless it is one that may repeat.

    Raises BadRequest.
    """
    last = dict(pairs)
    if "changes-since" in last:
        raise BadRequest("'changes-since' is not served: use 'updated_at=gte:<time>'.")
    filters, properties = _conditions(last, rules, caller)
    tags = tuple(dict.fromkeys(tag.strip() for tag in _all(pairs, "tag")))
    if len(properties) + len(tags) > MOST_CONDITIONS:
        raise BadRequest(f"There are more than {MOST_CONDITIONS} conditions on properties and tags: ask for fewer.")
    return ImageQuery(
        project_id=caller.project_id,
        is_admin=rules.policy.is_admin(caller),
        visibility=_visibility(last.get("visibility")),
        member_status=_member_status(last.get("member_status", "accepted")),
        os_hidden=_flag("os_hidden", last.get("os_hidden", "false").lower()),
        filters=filters,
        properties=properties,
        tags=tags,
        sort=read_order(_all(pairs, "sort"), _all(pairs, "sort_key"), _all(pairs, "sort_dir")),
        marker=last.get("marker"),
        limit=read_limit(last.get("limit"), rules.settings),
        locations=offers_locations(rules.settings),
    )


def _all(pairs: Pairs, wanted: str) -> list[str]:
    return [value for name, value in pairs if name == wanted]


def _conditions(last: Mapping[str, str], rules: Rules, caller: Caller) -> tuple[tuple[Filter, ...], Properties]:
    """Tell conditions on fields from those on properties: any name that is no field's is a property's.

    One on a property that the caller may not read is never fulfilled, so that nobody learns its value by asking.
    """
    filters: list[Filter] = []
    properties: list[tuple[str, str]] = []
    for name, value in last.items():
        if condition := _field_condition(name, value):
            filters.append(condition)
        elif name not in NOT_FILTERS:
            properties.append((name, value))
    if not all(rules.protections.may("read", name, caller) for name, _ in properties):
        filters.append(NEVER)
    return tuple(filters), tuple(properties)


def _field_condition(name: str, value: str) -> Filter | None:
    if name == "protected":
        return Filter("protected", "eq", _flag(name, value))
    if name == "visibility" and not value:
        return NEVER
    return read_filter(name, value)


def _visibility(value: str | None) -> Visibility | Literal["all"] | None:
    if value and value not in VISIBILITIES:
        raise BadRequest(f"'visibility' is none of: {', '.join(VISIBILITIES)}.")
    return cast("Visibility", value) if value else None


def _member_status(value: str) -> MemberStatus | Literal["all"]:
    if value not in MEMBER_STATUSES:
        raise BadRequest(f"'member_status' is none of: {', '.join(MEMBER_STATUSES)}.")
    return cast("MemberStatus", value)


def _flag(name: str, value: str) -> bool:
    if value not in {"true", "false"}:
        raise BadRequest(f"'{name}' must be 'true' or 'false'.")
    return value == "true"


def read_limit(value: str | None, settings: Settings) -> int:
    """Read how many may be on a page. Raises BadRequest."""
    limit = settings.limit_param_default if value is None else read_integer("limit", value)
    if limit < 0:
        raise BadRequest("'limit' must not be negative.")
    return min(limit, settings.api_limit_max)
