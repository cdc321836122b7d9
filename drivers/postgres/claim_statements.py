"""The SQL of claims. Whatever locks several does so in the order of their ids, after the image and before usage."""

COLUMNS = "id, image_id, store, url, state, size, project_id, reserved"
# Those of a claim that changes, and the state it was in.
CHANGED = ", ".join(f"claim.{name}" for name in COLUMNS.split(", ")) + ", locked.state as was"

# $1 claims as JSON, $2 the lease of those that are being written. Of an object there is one claim at most.
ADD_CLAIMS = f"""
insert into image_claims ({COLUMNS}, leased_until)
select {COLUMNS}, clock_timestamp() + case state when 'writing' then $2::interval else interval '0' end
from jsonb_to_recordset($1::jsonb) as claim (
    id text, image_id text, store text, url text, state text, size bigint, project_id text, reserved bigint
)
order by id
on conflict do nothing
returning id
"""

LOCK_CLAIMS = f"select {COLUMNS} from image_claims where id = any ($1::text[]) order by id for update"

RENEW_CLAIM = "update image_claims set reserved = $2, leased_until = clock_timestamp() + $3::interval where id = $1"

STAGE_CLAIMS = "update image_claims set state = 'staged', leased_until = null where id = any ($1::text[])"

DROP_CLAIMS = """
update image_claims
set state = 'garbage', leased_until = clock_timestamp()
where id = any ($1::text[]) and state <> 'garbage'
"""

FORGET_CLAIMS = "delete from image_claims where id = any ($1::text[])"

READ_CLAIMS = f"select {COLUMNS} from image_claims where image_id = $1 order by id"

# `clock_timestamp` may be asked by a subquery only, or no index would be read: it is another at every row.
TAKE_CLAIMS = f"""
with locked as materialized (
    select id, state
    from image_claims
    where leased_until <= (select clock_timestamp())
    order by leased_until, id
    limit $1
    for update skip locked
)
update image_claims as claim
set state = case locked.state when 'writing' then 'lost' else locked.state end,
    leased_until = clock_timestamp() + $2::interval
from locked
where claim.id = locked.id
returning {CHANGED}
"""

# What becomes of a deleted image's claims. The writer's lease goes on: it may still be writing.
ORPHAN_CLAIMS = f"""
with locked as materialized (
    select id, state
    from image_claims
    where image_id = $1 and state in ('writing', 'staged')
    order by id
    for update
)
update image_claims as claim
set state = case locked.state when 'writing' then 'lost' else 'garbage' end,
    leased_until = case locked.state when 'writing' then claim.leased_until else clock_timestamp() end
from locked
where claim.id = locked.id
returning {CHANGED}
"""

# A GIN index is read by bitmaps only, which the sessions of the pool forbid.
ALLOW_BITMAPS = "set local enable_bitmapscan = on"

# $1 a store, $2 URLs. A location that names no store may be of any.
# Two hashes make a false meeting unlikely, and harmless: one of the two saves waits for nothing.
LOCK_OBJECT = "select pg_advisory_xact_lock(hashtext($1), hashtext($2))"

KNOWN_URLS = """
select url
from image_claims
where store = $1 and url = any ($2::text[])
union all
select url
from unnest($2::text[]) as asked (url)
cross join lateral (
    select locations
    from images
    where locations @> jsonb_build_array(jsonb_build_object('url', asked.url))
    offset 0
) as image
where exists (
    select
    from jsonb_array_elements(image.locations) as location
    where location ->> 'url' = asked.url
        and coalesce(location #> '{metadata,store}', to_jsonb($1::text)) = to_jsonb($1::text)
)
"""
