-- What hosts say of themselves every few seconds; not history.
create table ops.host_status (
	host_id bigint primary key,
	update_time timestamptz,
	task_load double precision not null default 0,
	ready boolean not null default false,
	data jsonb
);

-- What the scheduler has to tell about its decisions, kept for a while.
create table ops.scheduler_log (
	id bigserial primary key,
	task_id bigint,
	host_id bigint,
	msg_time timestamptz not null default now(),
	msg text not null
);
create index scheduler_log_by_task on ops.scheduler_log (task_id);
create index scheduler_log_by_time on ops.scheduler_log (msg_time);
