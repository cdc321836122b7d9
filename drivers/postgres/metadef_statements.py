"""Every SQL statement about metadata definitions, as SQL."""

COLUMNS = """
    namespaces.number, namespaces.name, namespaces.display_name, namespaces.description, namespaces.visibility,
    namespaces.protected, namespaces.owner, namespaces.created_at, namespaces.updated_at, namespaces.revision
"""

# All items of a namespace as one value, in the order of the fields of Item: rows of their own would cost this process
# more than all the rest of a read. Read along the primary key, which has them in order.
ITEMS = """
(
    select json_agg(
        json_build_array(
            items.kind, items.name, items.created_at, items.updated_at, items.content, items.number
        ) order by items.kind, items.name
    )
    from metadef_items as items
    where items.namespace = namespaces.number and items.kind = any (string_to_array({kinds}, ',')) {further}
) as items
"""
ONE_OR_ALL = "and (ask.item is null or items.name = ask.item)"

# One statement for many readers: $1 names, $2 kinds separated by commas, $3 an item's name each, or null, $4 whether
# they want all properties, which as one value need not be looked into by anybody.
READ_NAMESPACES = f"""
select {COLUMNS}, ask.place, {ITEMS.format(kinds="ask.kinds", further=ONE_OR_ALL)},
    case when ask.properties then (
        select json_object_agg(items.name, items.content order by items.name)
        from metadef_items as items
        where items.namespace = namespaces.number and items.kind = 'property'
    ) end as properties
from unnest($1::text[], $2::text[], $3::text[], $4::boolean[])
    with ordinality as ask (name, kinds, item, properties, place)
join metadef_namespaces as namespaces on namespaces.name = ask.name
"""

# $1 whether all are seen, $2 the viewer's project, $3 the visibility or null, $4 resource types or null, $5 the
# marker's name or null, $6 the most rows or null, $7 kinds separated by commas.
SEEN = "($1::boolean or namespaces.visibility = 'public' or namespaces.owner = $2::text)"
PLACE = "{key}, namespaces.created_at, namespaces.number"
LIST_NAMESPACES = f"""
with marker as (select * from metadef_namespaces as namespaces where name = $5::text and {SEEN})
select page.*, start.found
from (select $5::text is null or exists (select from marker) as found) as start
left join (
    select {COLUMNS}, {{key}} as key, {ITEMS.format(kinds="$7::text", further="")}
    from metadef_namespaces as namespaces
    where {SEEN}
        and ($3::text is null or namespaces.visibility = $3)
        and (
            $4::text[] is null
            or namespaces.number in (
                select namespace from metadef_items where kind = 'resource_type' and name = any ($4)
            )
        )
        and ($5::text is null or ({PLACE}) {{after}} (select {PLACE} from marker as namespaces))
    order by {{key}} {{direction}}, namespaces.created_at {{direction}}, namespaces.number {{direction}}
    limit $6::bigint
) as page on true
order by page.key {{direction}}, page.created_at {{direction}}, page.number {{direction}}
"""

READ_RESOURCE_TYPES = "select name, created_at, updated_at from metadef_resource_types order by created_at, name"

ADD_NAMESPACE = """
insert into metadef_namespaces
    (name, display_name, description, visibility, protected, owner, created_at, updated_at, revision)
values ($1, $2, $3, $4, $5, $6, $7, $8, 1)
on conflict (name) do nothing
returning number
"""

# The row lock holds off every other change of this namespace and of what is inside it until this one has happened.
LOCK_NAMESPACE = "select 1 from metadef_namespaces where number = $1 and revision = $2 for update"

SAVE_NAMESPACE = """
update metadef_namespaces
set (name, display_name, description, visibility, protected, owner, updated_at, revision)
  = ($2, $3, $4, $5, $6, $7, $8, revision + 1)
where number = $1
"""

DELETE_NAMESPACE = "delete from metadef_namespaces where number = $1"

# $1 the namespace; the rest one value for each item. What is there already, or comes twice, is not returned.
ADD_ITEMS = """
insert into metadef_items (namespace, kind, name, content, created_at, updated_at)
select $1, kind, name, content::json, created_at, updated_at
from unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[])
    with ordinality as new (kind, name, content, created_at, updated_at, place)
order by place
on conflict (namespace, kind, name) do nothing
returning kind, name
"""

# In the order of their names, so that two transactions that add the same ones never wait in a ring.
ADD_RESOURCE_TYPES = """
insert into metadef_resource_types (name, created_at, updated_at)
select name, created_at, created_at
from unnest($1::text[], $2::timestamptz[]) as new (name, created_at)
order by name collate "C"
on conflict (name) do nothing
"""

SAVE_ITEM = """
update metadef_items
set (name, content, updated_at) = ($4, $5::text::json, $6)
where namespace = $1 and kind = $2 and name = $3
returning name
"""

REMOVE_ITEM = "delete from metadef_items where namespace = $1 and kind = $2 and name = $3 returning name"

REMOVE_ALL = "delete from metadef_items where namespace = $1 and kind = $2"

FORGET_RESOURCE_TYPES = """
delete from metadef_resource_types as types
where not exists (select from metadef_items where kind = 'resource_type' and name = types.name)
"""
