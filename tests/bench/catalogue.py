"""A catalogue of any size, made inside PostgreSQL, and the kinds of lists that are asked of it."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType
from typing import Any
from uuid import UUID

import asyncpg
from msgspec.structs import replace

from drivers.postgres.migrations import migrate
from drivers.protocol import ImageStore
from drivers.query import Filter, ImageQuery, Order
from tests.databases import filled_database

MEMBER = "me"
MEMBERSHIPS = 200
IDS = tuple(str(UUID(hashlib.md5(f"id{n}".encode(), usedforsecurity=False).hexdigest())) for n in (7, 77, 777))
NAME = f"image-{hashlib.md5(b'name77', usedforsecurity=False).hexdigest()[:10]}"

# One image in ten is the member's; one in five public, one in ten a community image, three in ten shared. `x`, `y`
# and `z` are drawn by hash, so that nothing depends on anything else, and every run makes the same images.
ADD_IDS = "insert into image_ids (id) select md5('id' || n)::uuid::text from generate_series(1, $1::integer) as n"
ADD_IMAGES = """
insert into images
select
    md5('id' || n)::uuid::text, 'image-' || left(md5('name' || n), 10), 'active',
    (array['private', 'private', 'private', 'private', 'public', 'public', 'shared', 'shared', 'shared', 'community'])
        [1 + x % 10],
    false, n % 100 = 0,
    case when y % 10 = 0 then 'me' else 'project-' || y % greatest($1::integer / 100, 5) end,
    'bare', (array['raw', 'qcow2'])[1 + n % 2], 1, 512, x::bigint * 4096, null, md5('checksum' || n),
    'sha512', repeat(md5('hash' || n), 4),
    timestamptz '2020-01-01Z' + n * interval '17.123457 s', timestamptz '2020-01-01Z' + n * interval '17.123457 s',
    array['all', 'serial-' || n, 'tenth-' || z % 10, 'twin-' || z / 10 % 2],
    jsonb_build_object(
        'hw_disk_bus', 'virtio', 'instance_uuid', md5('instance' || n), 'image_type', 'snapshot',
        'os_type', case when z / 20 % 10 > 0 then 'linux' else 'windows' end,
        'os_distro', case when z / 200 % 2 > 0 then 'debian' else 'rocky' end,
        'rack', 'r' || z / 400 % 100
    ),
    '[]', 1
from generate_series(1, $1::integer) as n,
    lateral (select ('x' || left(md5('x' || n), 7))::bit(28)::integer as x,
                    ('x' || left(md5('y' || n), 7))::bit(28)::integer as y,
                    ('x' || left(md5('z' || n), 7))::bit(28)::integer as z) as drawn
"""
ADD_MEMBERS = """
insert into image_members
select id, 'me', 'accepted', created_at, created_at, created_at, name
from (select * from images where visibility = 'shared' and owner <> 'me' order by md5(id) limit $1) as given
"""
# What the triggers would do row by row, at once: a million images take minutes instead of tens of minutes.
BEFORE = ("alter table images disable trigger user", "alter table image_terms drop constraint image_terms_pkey")
AFTER = (
    "insert into image_terms select unnest(terms_of(images)), created_at, id from images",
    "alter table image_terms add primary key (key, created_at, image_id)",
    "alter table images enable trigger user",
    "vacuum analyze",
)

BY_AGE = (Order("created_at"), Order("id"))
BY_NAME = (Order("name", "asc"), Order("created_at", "asc"), Order("id", "asc"))
VIEWERS: Mapping[str, ImageQuery] = MappingProxyType(
    {
        "member": ImageQuery(project_id=MEMBER),
        "admin": ImageQuery(project_id="operators", is_admin=True),
    }
)
KINDS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "newest first": {},
        "by name": {"sort": BY_NAME},
        "a property of 1 in 2": {"properties": (("os_distro", "debian"),)},
        "a property of 1 in 100": {"properties": (("rack", "r7"),)},
        "a property of none": {"properties": (("rack", "none"),)},
        "two, of 9 in 10 and 1 in 2": {"properties": (("os_type", "linux"), ("os_distro", "debian"))},
        "two, of 1 in 2 and 1 in 100": {"properties": (("os_distro", "debian"), ("rack", "r7"))},
        "a tag of 1 in 2": {"tags": ("twin-1",)},
        "a tag of 1": {"tags": ("serial-77",)},
        "owner": {"filters": (Filter("owner", "eq", MEMBER),)},
        "three ids": {"filters": (Filter("id", "in", IDS),)},
        "a name": {"filters": (Filter("name", "eq", NAME),), "sort": BY_NAME},
    }
)
LAST_PAGES = ("newest first", "by name", "a property of 1 in 2")


@contextmanager
def catalogue(server: str, count: int) -> Iterator[str]:
    """Give the URL of a new database that holds so many images."""
    with filled_database(server, partial(_fill, count=count)) as url:
        yield url


async def _fill(url: str, *, count: int) -> None:
    await migrate(url)
    connection = await asyncpg.connect(url, server_settings={"maintenance_work_mem": "512MB", "work_mem": "128MB"})
    try:
        for statement in BEFORE:
            await connection.execute(statement)
        await connection.execute(ADD_IDS, count)
        await connection.execute(ADD_IMAGES, count)
        await connection.execute(ADD_MEMBERS, MEMBERSHIPS)
        for statement in AFTER:
            await connection.execute(statement)
    finally:
        await connection.close()


async def before_last_page(store: ImageStore, query: ImageQuery) -> ImageQuery:
    """Turn a query into that of the last full page: its marker is found from the other end."""
    turned = tuple(Order(each.key, "asc" if each.direction == "desc" else "desc") for each in query.sort)
    views = await store.list_images(replace(query, sort=turned, limit=query.limit + 1))
    return replace(query, marker=views[-1].image.id)
