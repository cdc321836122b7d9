"""How an image is said (reference section 3): hidden fields absent, empty ones null, properties merged here only."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from drivers.records import Image, Location, Status, Visibility
from service.answer import JsonAnswer

# msgspec says of a Literal only its values, and pages then show it as of any type.
TEXT = {"type": "string"}
Time = Annotated[
    datetime, Meta(tz=True, description="UTC, whole seconds: `2020-01-28T12:58:17Z`", examples=["2020-01-28T12:58:17Z"])
]


def whole_second(moment: datetime) -> datetime:
    """Cut a time to what the API shows of it."""
    # In half the time of `replace(microsecond=0)`, for every image that is shown or listed.
    return datetime(moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second, 0, moment.tzinfo)


def json_response(body: msgspec.Struct, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with a body of its own struct."""
    return JsonAnswer(msgspec.json.encode(body), status=status, headers=headers)


class LocationBody(msgspec.Struct, frozen=True):
    """A location as callers may see it."""

    url: str
    metadata: dict[str, Any]


class ImageBody(msgspec.Struct, frozen=True, kw_only=True):
    """An image; additional properties stand beside these fields, each a string.

    `direct_url`, `locations` and `stores` are there only when the operator's options and the policy
    `get_image_location` show them.
    """

    id: Annotated[str, Meta(description="The image's UUID.")]
    name: Annotated[str | None, Meta(description="At most 255 characters; not unique.")]
    status: Annotated[Status, Meta(description="Where the image is in its life.", extra_json_schema=TEXT)]
    visibility: Annotated[Visibility, Meta(description="Who may see the image.", extra_json_schema=TEXT)]
    protected: Annotated[bool, Meta(description="Whether the image is safe from deletion.")]
    os_hidden: Annotated[bool, Meta(description="Whether the image is left out of the default list.")]
    owner: Annotated[str | None, Meta(description="The project that owns the image.")]
    container_format: Annotated[str | None, Meta(description="The format around the disk.")]
    disk_format: Annotated[str | None, Meta(description="The format of the disk.")]
    min_disk: Annotated[int, Meta(ge=0, description="GB of disk needed to boot the image.")]
    min_ram: Annotated[int, Meta(ge=0, description="MB of memory needed to boot the image.")]
    size: Annotated[int | None, Meta(description="Bytes of image data.")]
    virtual_size: Annotated[int | None, Meta(description="Bytes of the disk that the data unfolds to.")]
    checksum: Annotated[str | None, Meta(description="The MD5 of the data, in hex.")]
    os_hash_algo: Annotated[str | None, Meta(description="The algorithm of `os_hash_value`.")]
    os_hash_value: Annotated[str | None, Meta(description="The hash of the data, in hex.")]
    created_at: Annotated[Time, Meta(description="When the image was registered.")]
    updated_at: Annotated[Time, Meta(description="When the image last changed.")]
    tags: Annotated[tuple[str, ...], Meta(description="A set of words.")]
    self_: Annotated[str, Meta(description="The path of this image.")] = msgspec.field(name="self")
    file: Annotated[str, Meta(description="The path of the image's data.")]
    schema: Annotated[str, Meta(description="The path of the schema of images.")]
    direct_url: Annotated[str | UnsetType, Meta(description="Where the data is, in its store.")] = UNSET
    locations: Annotated[list[LocationBody] | UnsetType, Meta(description="Everywhere the data is.")] = UNSET
    stores: Annotated[str | UnsetType, Meta(description="The ids of the stores, separated by commas.")] = UNSET


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """Where a page of images is, and where the next one; every path is without host and prefix."""

    first: Annotated[str, Meta(description="The path of the first page.")]
    schema: Annotated[str, Meta(description="The path of the schema of pages.")] = "/v2/schemas/images"
    next: Annotated[str | UnsetType, Meta(description="The path of the next page; absent on the last.")] = UNSET


class ImagesBody(Links, frozen=True, kw_only=True):
    """A page of images."""

    images: list[ImageBody]


class Shown(msgspec.Struct, frozen=True):
    """Which guarded fields are shown; `emptied`, as if there were no location; `hidden`, which properties are not."""

    direct_url: bool = False
    locations: bool = False
    stores: bool = False
    emptied: bool = False
    hidden: tuple[str, ...] = ()


NOTHING = Shown()
# Made once: the function of the module makes one for every call.
ENCODER: Final = msgspec.json.Encoder()


def encode_image(image: Image, shown: Shown = NOTHING) -> bytes:
    """Say an image as JSON."""
    locations = () if shown.emptied else image.locations
    path = f"/v2/images/{image.id}"
    body = ImageBody(
        id=image.id,
        name=image.name,
        status=image.status,
        visibility=image.visibility,
        protected=image.protected,
        os_hidden=image.os_hidden,
        owner=image.owner,
        container_format=image.container_format,
        disk_format=image.disk_format,
        min_disk=image.min_disk,
        min_ram=image.min_ram,
        size=image.size,
        virtual_size=image.virtual_size,
        checksum=image.checksum,
        os_hash_algo=image.os_hash_algo,
        os_hash_value=image.os_hash_value,
        created_at=whole_second(image.created_at),
        updated_at=whole_second(image.updated_at),
        tags=image.tags,
        self_=path,
        file=f"{path}/file",
        schema="/v2/schemas/image",
        direct_url=locations[0].url if shown.direct_url and locations else UNSET,
        locations=[LocationBody(each.url, each.metadata) for each in locations] if shown.locations else UNSET,
        stores=_stores(locations) if shown.stores else UNSET,
    )
    return _merged(ENCODER.encode(body), image.properties, shown.hidden)


def encode_page(bodies: Iterable[bytes], links: Links) -> bytes:
    """Say a page of images as JSON, an ImagesBody: the images in the words in which they are shown, then the links."""
    return b'{"images":[' + b",".join(bodies) + b"]," + ENCODER.encode(links)[1:]


def _stores(locations: tuple[Location, ...]) -> str | UnsetType:
    named = (each.metadata.get("store") for each in locations)
    return ",".join(store for store in named if isinstance(store, str)) or UNSET


def _merged(body: bytes, properties: dict[str, str], hidden: tuple[str, ...]) -> bytes:
    """Put the properties beside the fields: both are JSON objects, so they join at their braces."""
    if hidden:
        properties = {name: value for name, value in properties.items() if name not in hidden}
    return body[:-1] + b"," + ENCODER.encode(properties)[1:] if properties else body
