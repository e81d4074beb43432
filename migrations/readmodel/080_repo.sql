-- Repositories and the requests for them. Columns as in Koji's repo and repo_queue.
create table repo (
	id bigint primary key,
	creation_time timestamptz not null,
	create_event bigint not null,   -- the event whose content it has
	state_time timestamptz not null,
	begin_event bigint,             -- last change of the tag before create_event
	end_event bigint,               -- first change after it; null while the tag is still as the repository has it
	tag_id bigint not null,
	state integer not null,         -- koji.RepoState
	dist boolean not null,
	opts jsonb,
	custom_opts jsonb,
	task_id bigint,
	problem text,                   -- why it could not be made
	since bigint not null
);
create index repo_by_tag on repo (tag_id, state, create_event desc);
create index repo_by_state on repo (state) where state in (0, 1, 2, 4);
create index repo_by_task on repo (task_id) where task_id is not null;

create table repo_past (like repo, until bigint not null);
create index repo_past_by_id on repo_past (id, since);
create index repo_past_by_tag on repo_past (tag_id);

create function repo_at(e bigint) returns setof repo language sql stable as $$
	select id, creation_time, create_event, state_time, begin_event, end_event, tag_id, state, dist, opts, custom_opts, task_id, problem, since
	from repo where since <= e
	union all
	select id, creation_time, create_event, state_time, begin_event, end_event, tag_id, state, dist, opts, custom_opts, task_id, problem, since
	from repo_past where since <= e and until > e
$$;

create table repo_queue (
	id bigint primary key,
	create_time timestamptz not null,
	owner bigint not null,
	priority bigint not null,
	tag_id bigint not null,
	at_event bigint,
	min_event bigint,
	opts jsonb not null,
	update_time timestamptz not null,
	active boolean not null,
	task_id bigint,
	tries bigint not null,
	repo_id bigint
);
create index repo_queue_active on repo_queue (tag_id, priority, id) where active;
create index repo_queue_by_tag on repo_queue (tag_id);
create index repo_queue_over on repo_queue (update_time) where not active;

-- Which dist repository of a tag "latest" leads to, since which event, and whether somebody took it back to there.
create table dist_latest (
	tag_id bigint primary key,
	repo_id bigint not null,
	rolled_back boolean not null,
	since bigint not null
);
create table dist_latest_past (like dist_latest, until bigint not null);
create index dist_latest_past_by_tag on dist_latest_past (tag_id, since);

create function dist_latest_at(e bigint) returns setof dist_latest language sql stable as $$
	select tag_id, repo_id, rolled_back, since from dist_latest where since <= e
	union all
	select tag_id, repo_id, rolled_back, since from dist_latest_past where since <= e and until > e
$$;
