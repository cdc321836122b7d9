"""Every SQL statement of the driver, as SQL."""

COLUMNS = """
    id, name, status, visibility, protected, os_hidden, owner, container_format, disk_format, min_disk, min_ram,
    size, virtual_size, checksum, os_hash_algo, os_hash_value, created_at, updated_at, tags, properties, revision
"""

# Every statement is written for the one way it is to be run, whatever its values: by an index, in the index's order.
# So it is planned once, and the planner may not trade the order for a bitmap or a whole table because it believes that
# few rows will match: of a value that half of all images have, it does believe so.
SET_PLANNER = """
set plan_cache_mode = force_generic_plan;
set enable_bitmapscan = off;
set enable_seqscan = off;
set jit = off;
"""

# One statement for many readers: $1 image ids, $2 the readers' projects, $3 whether they want the locations; $4 to $6
# are the versions of the rows that they know. An image comes along only where its row is of another version, so that
# nothing of what is known is fetched, sent or decoded. A reader who does not want the locations has null, and the
# (possibly large) column is never fetched for it. No index serves `is not distinct from`, so the membership is found
# among those of the image, and never among those of the project.
READ_IMAGES = f"""
select
    number,
    (select members.status
     from image_members as members
     where members.image_id = images.id and members.member_id is not distinct from project_id) as member_status,
    case when (images.xmin, revision, updated_at) is distinct from (known_xmin, known_revision, known_updated_at)
        then row ({COLUMNS}, case when wants_locations then locations end, images.xmin)
    end as changed
from unnest($1::text[], $2::text[], $3::boolean[], $4::xid[], $5::bigint[], $6::timestamptz[])
    with ordinality as ask (
        image_id, project_id, wants_locations, known_xmin, known_revision, known_updated_at, number
    )
join images on images.id = image_id
"""

# The row lock holds off other savers until this transaction has counted the change.
LOCK_IMAGE = f"select {COLUMNS}, locations from images where id = $1 for update"

SAVE_IMAGE = """
update images
set (name, status, visibility, protected, os_hidden, owner, container_format, disk_format, min_disk, min_ram,
     size, virtual_size, checksum, os_hash_algo, os_hash_value, updated_at, tags, properties, locations, revision)
  = ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, revision + 1)
where id = $1
returning created_at, revision
"""

DELETE_IMAGE = "delete from images where id = $1"

BURY_ID = "update image_ids set deleted_at = $2 where id = $1"

# Locks the project's row until the end of the transaction, so what it returns can be held against a limit.
ADD_USAGE = """
on conflict (project_id) do update
set images       = held.images       + excluded.images,
    bytes        = held.bytes        + excluded.bytes,
    staged_bytes = held.staged_bytes + excluded.staged_bytes,
    uploading    = held.uploading    + excluded.uploading
returning images, bytes, staged_bytes, uploading
"""

COUNT_USAGE = f"""
insert into project_usage as held (project_id, images, bytes, staged_bytes, uploading) values ($1, $2, $3, $4, $5)
{ADD_USAGE}
"""

# All of a new image in one round trip: its id is claimed first, and the project's row is the last to be locked, as
# everywhere. $23 is the owner, of whose usage nothing is counted, or returned, where it is null.
ADD_IMAGE = f"""
with claim as (insert into image_ids (id) values ($1) returning id),
added as (
    insert into images ({COLUMNS}, locations)
    select id, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22
    from claim
    returning id
)
insert into project_usage as held (project_id, images, bytes, staged_bytes, uploading)
select $23, $24, $25, $26, $27 from added where $23::text is not null
{ADD_USAGE}
"""

READ_USAGE = "select images, bytes, staged_bytes, uploading from project_usage where project_id = $1"

# The lock on the image makes concurrent sharers count one after the other, so none overshoots the quota.
LOCK_FOR_MEMBERS = "select 1 from images where id = $1 for update"

COUNT_MEMBERS = "select count(*) from image_members where image_id = $1"

ADD_MEMBER = """
insert into image_members (image_id, member_id, status, created_at, updated_at, image_created_at, image_name)
select id, $2, $3, $4::timestamptz, $5::timestamptz, created_at, coalesce(name, '') from images where id = $1
"""

READ_MEMBERS = """
select image_id, member_id, status, created_at, updated_at
from image_members
where image_id = $1
order by created_at, member_id collate "C"
"""

READ_MEMBER = """
select image_id, member_id, status, created_at, updated_at
from image_members
where image_id = $1 and member_id = $2
"""

SET_MEMBER_STATUS = """
update image_members
set status = $3, updated_at = $4
where image_id = $1 and member_id = $2
returning image_id, member_id, status, created_at, updated_at
"""

REMOVE_MEMBER = "delete from image_members where image_id = $1 and member_id = $2 returning member_id"
