-- Metadata definitions: namespaces of the keys that make sense on images, flavors and other resources.

-- Text is ordered by code point, whatever the database's locale, so that pages are the same everywhere.
create table metadef_namespaces (
    -- Never used twice, so that whoever read a namespace changes that one, and not its successor of the same name.
    number       bigint           generated always as identity primary key,
    name         text collate "C" not null unique,
    display_name text collate "C",
    description  text collate "C",
    visibility   text collate "C" not null,
    protected    boolean          not null,
    owner        text collate "C" not null,
    created_at   timestamptz      not null,
    updated_at   timestamptz      not null,
    -- Counts the saves; a change that names an older revision is refused.
    revision     bigint           not null
);

-- What is inside a namespace, of every kind: a namespace is read with one walk along the primary key.
create table metadef_items (
    namespace  bigint           not null references metadef_namespaces on delete cascade,
    kind       text collate "C" not null,
    name       text collate "C" not null,
    number     bigint           generated always as identity,
    -- Kept as it was sent: nothing here looks into it, and it goes out again to the byte.
    content    json             not null,
    created_at timestamptz      not null,
    updated_at timestamptz      not null,
    primary key (namespace, kind, name)
);

-- Which namespaces are associated with a resource type.
create index metadef_associations on metadef_items (name, namespace) where kind = 'resource_type';

-- Every type that a namespace was ever associated with, for all to see.
create table metadef_resource_types (
    name       text collate "C" primary key,
    created_at timestamptz      not null,
    updated_at timestamptz      not null
);
