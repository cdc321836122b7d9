-- Every id that ever was an image's. A row outlives its image, so that no id is ever used twice (OSSN-0075),
-- and the primary key settles races between two creators, or between a creator and a deleter.
create table image_ids (
    id         text collate "C" primary key,
    deleted_at timestamptz
);

-- Live images only: deleting one removes its row here, so no query ever drags dead rows along.
create table images (
    id               text collate "C" primary key references image_ids,
    name             text,
    status           text        not null,
    visibility       text        not null,
    protected        boolean     not null,
    os_hidden        boolean     not null,
    owner            text,
    container_format text,
    disk_format      text,
    min_disk         integer     not null,
    min_ram          integer     not null,
    size             bigint,
    virtual_size     bigint,
    checksum         text,
    os_hash_algo     text,
    os_hash_value    text,
    created_at       timestamptz not null,
    updated_at       timestamptz not null,
    tags             text[]      not null,
    properties       jsonb       not null,
    -- Kept apart from the properties: readers who may not see locations never load them.
    locations        jsonb       not null,
    -- Counts the saves; a save that names an older revision is refused.
    revision         bigint      not null
);

create table image_members (
    image_id   text collate "C" not null references images on delete cascade,
    member_id  text             not null,
    status     text             not null,
    created_at timestamptz      not null,
    updated_at timestamptz      not null,
    primary key (image_id, member_id)
);

-- What each project holds, changed in the transaction that changes an image.
create table project_usage (
    project_id   text   primary key,
    images       bigint not null,
    bytes        bigint not null,
    staged_bytes bigint not null,
    uploading    bigint not null
);
