"""Records to rows and back; nothing else knows the order of the columns."""

import re
from typing import Any

import asyncpg
import msgspec

from drivers.postgres.statements import COLUMNS
from drivers.records import Image, Location, Member, View

IMAGE_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
STORABLE = re.compile(r"[^\0\ud800-\udfff]*")
FIELDS = (*(name.strip() for name in COLUMNS.split(",")), "locations")


async def set_codecs(connection: asyncpg.Connection) -> None:
    """Let a new connection speak `jsonb` as Python values."""
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=_to_json, decoder=msgspec.json.decode)


def to_view(row: asyncpg.Record) -> View:
    """Build what one reader sees from a row as for `to_image` that also has `member_status`."""
    return View(to_image(row), row["member_status"])


def to_image(row: asyncpg.Record) -> Image:
    """Build an image from a row that begins with COLUMNS and `locations`."""
    fields = dict(zip(FIELDS, row, strict=False))
    fields["tags"] = tuple(fields["tags"])
    fields["locations"] = tuple(Location(**each) for each in fields["locations"] or ())
    return Image(**fields)


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


def _to_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
