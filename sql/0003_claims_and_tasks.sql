-- Objects of image data that no location names: on their way in, staged, or on their way out. There is no foreign key
-- to the image, because a claim outlives it: as long as there is a row, somebody will see to the object.
create table image_claims (
    id           text collate "C" primary key,
    image_id     text collate "C" not null,
    store        text             not null,
    url          text             not null,
    state        text             not null,
    size         bigint,
    project_id   text,
    -- Counts as held by the project while the state is `writing`.
    reserved     bigint           not null,
    -- From when on a sweeper may take the claim: the end of a lease, or at once. Null is never: the object is staged.
    leased_until timestamptz,
    unique (store, url)
);

create index claims_of_image on image_claims (image_id, id);

-- What a sweeper asks for every few seconds, in the order in which it became due.
create index claims_to_see_to on image_claims (leased_until, id) where leased_until is not null;

-- Work that any process may take up.
create table tasks (
    id           text collate "C" primary key,
    type         text collate "C" not null,
    status       text collate "C" not null,
    owner        text collate "C",
    created_at   timestamptz      not null,
    updated_at   timestamptz      not null,
    image_id     text collate "C",
    request_id   text,
    user_id      text,
    -- Not `jsonb`: nobody searches in them, and they come back exactly as they were given.
    input        json             not null,
    result       json,
    message      text             not null,
    expires_at   timestamptz,
    attempt      bigint           not null,
    -- From when on a process may take the task up: the end of a lease, or at once. Null is never: the task has ended.
    leased_until timestamptz
);

-- The tasks to run, and those that run: few, however many have ended; the oldest is taken first.
create index tasks_to_run on tasks (created_at, id) where leased_until is not null;

create index tasks_of_image on tasks (image_id, created_at, id);
create index tasks_by_age on tasks (created_at, id);
create index tasks_of_owner_by_age on tasks (owner, created_at, id);
create index tasks_to_forget on tasks (expires_at) where expires_at is not null;
