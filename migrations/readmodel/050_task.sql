create table task (
	id bigint primary key,
	state integer not null,         -- koji.TaskState
	create_time timestamptz not null,
	start_time timestamptz,
	completion_time timestamptz,
	channel_id bigint not null,
	host_id bigint,
	parent bigint,
	label text,
	waiting boolean,
	awaited boolean,
	owner bigint not null,
	method text not null,
	arch text not null,
	priority bigint not null,
	weight double precision not null,
	since bigint not null
);
create index task_by_parent on task (parent, id) where parent is not null;
create unique index task_by_label on task (parent, label) where label is not null;
create index task_active on task (state, priority, create_time) where state in (0, 1, 4);
create index task_waiting on task (channel_id, arch, priority, create_time, id) where state = 0; -- the scheduler's order
create index task_by_host on task (host_id, state) where host_id is not null;
create index task_by_owner on task (owner, id);
create index task_by_method on task (method, id);
create index task_top on task (id) where parent is null;
create index task_by_channel on task (channel_id, state);
create index task_by_completion on task (completion_time);
create index task_by_start on task (start_time);
create index task_by_create on task (create_time);

create table task_past (like task);
alter table task_past add column until bigint not null;
create index task_past_by_id on task_past (id, since);

create function task_at(e bigint) returns setof task language sql stable as $$
	select * from task where since <= e
	union all
	select id, state, create_time, start_time, completion_time, channel_id, host_id, parent, label, waiting, awaited, owner, method, arch,
		priority, weight, since from task_past where since <= e and until > e
$$;

-- the documents of a task, apart from it: lists of tasks do not read them
create table task_document (
	id bigint primary key,
	request text not null,          -- XML-RPC methodCall
	result text                     -- XML-RPC methodResponse or fault
);

-- who had which task when; the active run is the present assignment
create table scheduler_task_runs (
	id bigint primary key,          -- position of the assignment
	task_id bigint not null,
	host_id bigint not null,
	active boolean not null,
	create_time timestamptz not null
);
create index scheduler_task_runs_by_task on scheduler_task_runs (task_id);
create index scheduler_task_runs_active on scheduler_task_runs (host_id) where active;

create table scheduler_task_refusals (
	id bigint not null,             -- position of the refusal
	task_id bigint not null,
	host_id bigint not null,
	by_host boolean not null,
	soft boolean not null,
	msg text not null,
	time timestamptz not null,
	primary key (task_id, host_id)
);
