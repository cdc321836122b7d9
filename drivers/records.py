"""The records both sides share: images, their locations and their members."""

from datetime import datetime
from typing import Any, Literal

import msgspec

Status = Literal[
    "queued", "saving", "active", "killed", "deleted", "uploading", "importing", "pending_delete", "deactivated"
]
Visibility = Literal["public", "private", "shared", "community"]
MemberStatus = Literal["pending", "accepted", "rejected"]


class Location(msgspec.Struct, frozen=True):
    """Where an image's bytes are: a URL of a store and what the store or the user noted beside it."""

    url: str
    metadata: dict[str, Any] = {}


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """One image's record (reference section 3.1): sizes in bytes, `min_disk` in GB, `min_ram` in MB, times in UTC.

    `revision` counts the saves, from 1. `properties` are the additional ones, flat strings. `tags` are sorted.
    """

    id: str
    created_at: datetime
    updated_at: datetime
    name: str | None = None
    status: Status = "queued"
    visibility: Visibility = "shared"
    protected: bool = False
    os_hidden: bool = False
    owner: str | None = None
    container_format: str | None = None
    disk_format: str | None = None
    min_disk: int = 0
    min_ram: int = 0
    size: int | None = None
    virtual_size: int | None = None
    checksum: str | None = None
    os_hash_algo: str | None = None
    os_hash_value: str | None = None
    tags: tuple[str, ...] = ()
    properties: dict[str, str] = {}
    locations: tuple[Location, ...] = ()
    revision: int = 1


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A project with which an image is shared, and what it made of the offer."""

    image_id: str
    member_id: str
    status: MemberStatus = "pending"
    created_at: datetime
    updated_at: datetime


class View(msgspec.Struct, frozen=True):
    """An image as one project meets it: the record, and the project's membership status if it has one."""

    image: Image
    member_status: MemberStatus | None = None
