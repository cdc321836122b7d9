"""What requests carry, described for people; the service itself checks bodies against the image schema."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from drivers.records import MemberStatus, Visibility


class NewImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image to be; every field may be left out. Additional properties stand beside these fields, each a string."""

    id: Annotated[str | UnsetType, Meta(description="A UUID that no image ever had; else one is made up.")] = UNSET
    name: Annotated[str | UnsetType | None, Meta(description="At most 255 characters; not unique.")] = UNSET
    visibility: Annotated[Visibility | UnsetType, Meta(description="Who may see the image; else `shared`.")] = UNSET
    protected: Annotated[bool | UnsetType, Meta(description="Whether the image is safe from deletion.")] = UNSET
    os_hidden: Annotated[bool | UnsetType, Meta(description="Whether it is left out of the default list.")] = UNSET
    owner: Annotated[str | UnsetType | None, Meta(description="Another project, for administrators.")] = UNSET
    container_format: Annotated[str | UnsetType | None, Meta(description="The format around the disk.")] = UNSET
    disk_format: Annotated[str | UnsetType | None, Meta(description="The format of the disk.")] = UNSET
    min_disk: Annotated[int | UnsetType, Meta(description="GB of disk needed to boot the image.")] = UNSET
    min_ram: Annotated[int | UnsetType, Meta(description="MB of memory needed to boot the image.")] = UNSET
    tags: Annotated[list[str] | UnsetType, Meta(description="A set of words.")] = UNSET


class PatchOperation(msgspec.Struct, frozen=True, kw_only=True):
    """One operation of a JSON patch."""

    op: Literal["add", "replace", "remove"]
    path: Annotated[str, Meta(description="`/` and the name of a field or property; `~1` is a `/`, `~0` a `~`.")]
    value: Annotated[Any, Meta(description="What it becomes; `remove` needs none.")] = UNSET


class NewMember(msgspec.Struct, frozen=True):
    """A project to share an image with."""

    member: Annotated[str, Meta(description="The project's id.")]


class MemberAnswer(msgspec.Struct, frozen=True):
    """What a member makes of the offer."""

    status: MemberStatus
