"""What a list asks for: filters, order, place and size of a page, and whose eyes it is seen with."""

from datetime import datetime
from typing import Literal

import msgspec

from drivers.records import MemberStatus, Visibility

SortKey = Literal["name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at"]
Direction = Literal["asc", "desc"]
Operator = Literal["eq", "neq", "gt", "gte", "lt", "lte", "in"]
TextField = Literal[
    "id",
    "name",
    "status",
    "owner",
    "container_format",
    "disk_format",
    "checksum",
    "os_hash_algo",
    "os_hash_value",
]
NumberField = Literal["size", "virtual_size", "min_disk", "min_ram"]
TimeField = Literal["created_at", "updated_at"]


class Order(msgspec.Struct, frozen=True):
    """One key of the order; null counts as the empty text, or as 0. Text is ordered by code point."""

    key: SortKey
    direction: Direction = "desc"


class Filter(msgspec.Struct, frozen=True):
    """A condition on one field of the record; `in` takes a tuple, any other operator one value of the field's type.

    Null fulfils no condition, and `in` of nothing is never fulfilled. Times are compared as they are shown, in whole
    seconds: what is shown as 12:58:17 equals 12:58:17, whatever fraction is kept.
    """

    field: TextField | NumberField | TimeField | Literal["protected"]
    operator: Operator
    value: str | int | bool | datetime | tuple[str, ...]


class ImageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One page of images, as a project sees them (reference sections 3.5 and 6).

    An admin sees every image, but others' community images only when asked for them by `visibility`. `project_id` is
    the viewer's own, None for a viewer without one, who owns nothing and is a member of nothing. Anyone else sees
    what they own, what is public, what is shared with them and answered by `member_status`, and community images
    when asked for. `os_hidden` chooses the hidden images, or the others. An image is listed when it fulfils all
    filters, and has all the properties with these values, and all the tags.

    `sort` ends in `id`, so that the order is total. The page starts after the image `marker`, whether that one is
    listed or not.
    """

    project_id: str | None
    is_admin: bool = False
    visibility: Visibility | Literal["all"] | None = None
    member_status: MemberStatus | Literal["all"] = "accepted"
    os_hidden: bool = False
    filters: tuple[Filter, ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    tags: tuple[str, ...] = ()
    sort: tuple[Order, ...] = (Order("created_at"), Order("id"))
    marker: str | None = None
    limit: int = 25
    locations: bool = False
