"""The SQL of tasks, each a statement of its own."""

COLUMNS = """
    id, type, status, owner, created_at, updated_at, image_id, request_id, user_id, input, result, message,
    expires_at, attempt, private
"""
TASK = ", ".join(f"task.{name.strip()}" for name in COLUMNS.split(","))

_VALUES = "$1, $2, $3::text, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14::bigint, $15"
# When the task may be taken up: at once, as before, or never again.
_DUE = "case $3::text when 'pending' then clock_timestamp() when 'processing' then task.leased_until end"
_OURS = "task.attempt = $14::bigint and task.status in ('pending', 'processing')"

_INSERT = f"""
insert into tasks as task ({COLUMNS}, leased_until)
values ({_VALUES}, case when $3::text in ('pending', 'processing') then clock_timestamp() + {{}} end)
"""

ADD_TASK = _INSERT.format("interval '0'") + " on conflict (id) do nothing returning id"

SAVE_TASK = f"""
update tasks as task
set ({COLUMNS}, leased_until) = ({_VALUES}, {_DUE})
where id = $1 and {_OURS}
returning id
"""

# One statement, so that nobody can add or end the task between a look and the change.
# $16: how long a new task is its adder's.
ADD_OR_SAVE_TASK = f"""
{_INSERT.format("$16::interval")}
on conflict (id) do update
set ({COLUMNS}, leased_until) = ({_VALUES}, {_DUE})
where {_OURS}
returning id
"""

# `clock_timestamp` may be asked by a subquery only, or no index would be read: it is another at every row.
TAKE_TASKS = f"""
with due as materialized (
    select id
    from tasks
    where leased_until <= (select clock_timestamp())
    order by created_at, id
    limit $1
    for update skip locked
)
update tasks as task
set status = 'processing', attempt = attempt + 1, updated_at = $3, leased_until = clock_timestamp() + $2::interval
from due
where task.id = due.id
returning {TASK}
"""

RENEW_TASK = """
update tasks
set message = $3, updated_at = $4, leased_until = clock_timestamp() + $5::interval
where id = $1 and attempt = $2 and status = 'processing'
returning id
"""

READ_TASK = f"select {COLUMNS} from tasks where id = $1"

READ_IMAGE_TASKS = f"select {COLUMNS} from tasks where image_id = $1 order by created_at, id"

LIST_TASKS = f"select {COLUMNS} from tasks"

DROP_TASKS = "with gone as (delete from tasks where expires_at <= $1 returning id) select count(*) from gone"
