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


class ImportMethod(msgspec.Struct, frozen=True, kw_only=True):
    """A way to import, and what it needs."""

    name: Annotated[str, Meta(description="One of `/v2/info/import`.")]
    uri: Annotated[str | UnsetType, Meta(description="`web-download`: from where.")] = UNSET
    glance_image_id: Annotated[str | UnsetType, Meta(description="`glance-download`: which image.")] = UNSET
    glance_region: Annotated[str | UnsetType, Meta(description="`glance-download`: of which region.")] = UNSET
    glance_service_interface: Annotated[str | UnsetType, Meta(description="`glance-download`: else `public`.")] = UNSET


class NewImport(msgspec.Struct, frozen=True, kw_only=True):
    """An import; without `stores` and `all_stores` the data goes to the default store."""

    method: ImportMethod
    stores: Annotated[list[str] | UnsetType, Meta(description="The ids of the stores to import into.")] = UNSET
    all_stores: Annotated[bool | UnsetType, Meta(description="Into every store that takes data.")] = UNSET
    all_stores_must_succeed: Annotated[bool | UnsetType, Meta(description="Else one store is enough.")] = UNSET


class ValidationData(msgspec.Struct, frozen=True):
    """The hash that the data has to have, in hexadecimal."""

    os_hash_algo: Literal["md5", "sha1", "sha256", "sha512"]
    os_hash_value: str


class NewLocation(msgspec.Struct, frozen=True, kw_only=True):
    """Where an image's data is."""

    url: Annotated[str, Meta(description="A URL of one of the service's stores.")]
    validation_data: ValidationData | UnsetType = UNSET


class OldImport(msgspec.Struct, frozen=True, kw_only=True):
    """From where, and what image it becomes."""

    import_from: Annotated[str, Meta(description="A URL of `http` or `https`.")]
    import_from_format: Annotated[str | UnsetType, Meta(description="The format of the disk; else `qcow2`.")] = UNSET
    image_properties: Annotated[dict[str, Any] | UnsetType, Meta(description="As the body of a new image.")] = UNSET


class NewTask(msgspec.Struct, frozen=True):
    """A task to be."""

    type: Literal["import"]
    input: OldImport
