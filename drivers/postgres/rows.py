"""Records to rows and back; nothing else knows the order of the columns."""

import re
from typing import Any

import asyncpg
import msgspec

from drivers.postgres.recent import Known, Version
from drivers.records import Image, Location, Member, View

IMAGE_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
STORABLE = re.compile(r"[^\0\ud800-\udfff]*")
# The binary form of `jsonb` is its text behind the number of its version.
JSONB = b"\1"


async def set_codecs(connection: asyncpg.Connection) -> None:
    """Let a new connection speak `jsonb` as Python values."""
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_to_jsonb, decoder=_from_jsonb, format="binary"
    )


def to_view(row: asyncpg.Record) -> View:
    """Build what one reader sees from a row as for `to_image` that also has `member_status`."""
    return View(to_image(row), row["member_status"])


def to_image(row: asyncpg.Record) -> Image:
    """Build an image from a row that begins with COLUMNS and `locations`."""
    # Spelt out, because every read comes by here: names as keys of a dictionary cost as much again.
    id_, name, status, visibility, protected, os_hidden, owner, container_format, disk_format = row[:9]
    min_disk, min_ram, size, virtual_size, checksum, os_hash_algo, os_hash_value = row[9:16]
    created_at, updated_at, tags, properties, revision, locations = row[16:22]
    return Image(
        id=id_,
        name=name,
        status=status,
        visibility=visibility,
        protected=protected,
        os_hidden=os_hidden,
        owner=owner,
        container_format=container_format,
        disk_format=disk_format,
        min_disk=min_disk,
        min_ram=min_ram,
        size=size,
        virtual_size=virtual_size,
        checksum=checksum,
        os_hash_algo=os_hash_algo,
        os_hash_value=os_hash_value,
        created_at=created_at,
        updated_at=updated_at,
        tags=tuple(tags),
        properties=properties,
        locations=tuple(Location(**each) for each in locations) if locations else (),
        revision=revision,
    )


def to_known(row: asyncpg.Record) -> Known:
    """Build an image, with the version of its row, from a row as for `to_image` that ends with `xmin`."""
    image = to_image(row)
    return Known(Version(row[-1], image.revision, image.updated_at), image)


def to_member(row: asyncpg.Record) -> Member:
    """Build a membership from its row."""
    return Member(**dict(row))


def to_add(image: Image) -> tuple[Any, ...]:
    """Give the values of ADD_IMAGE in its order."""
    return (
        *_head(image),
        image.created_at,
        image.updated_at,
        list(image.tags),
        image.properties,
        image.revision,
        msgspec.to_builtins(image.locations),
    )


def to_save(image: Image) -> tuple[Any, ...]:
    """Give the values of SAVE_IMAGE in its order."""
    return (
        *_head(image),
        image.updated_at,
        list(image.tags),
        image.properties,
        msgspec.to_builtins(image.locations),
    )


def _head(image: Image) -> tuple[Any, ...]:
    return (
        image.id,
        image.name,
        image.status,
        image.visibility,
        image.protected,
        image.os_hidden,
        image.owner,
        image.container_format,
        image.disk_format,
        image.min_disk,
        image.min_ram,
        image.size,
        image.virtual_size,
        image.checksum,
        image.os_hash_algo,
        image.os_hash_value,
    )


def _to_jsonb(value: Any) -> bytes:
    return JSONB + msgspec.json.encode(value)


def _from_jsonb(data: bytes) -> Any:
    return msgspec.json.decode(data.removeprefix(JSONB))
