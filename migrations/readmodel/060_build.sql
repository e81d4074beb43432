-- Builds. Columns as in Koji's table build; extra is the JSON text that it was given.
create table build (
	id bigint primary key,
	volume_id bigint not null,
	pkg_id bigint not null,
	version text not null,
	release text not null,
	epoch bigint,
	draft boolean not null,
	source text,
	create_event bigint not null,   -- of its creation, renewed when a failed build is started again
	start_time timestamptz,
	completion_time timestamptz,
	promotion_time timestamptz,
	state integer not null,         -- koji.BuildState
	task_id bigint,
	owner bigint not null,
	promoter bigint,
	cg_id bigint,
	extra text,
	since bigint not null
);
-- not unique: the ledger keeps names unique, and a projection must not stop over them
create index build_by_nvr on build (pkg_id, version, release);
create index build_by_completion on build (completion_time);
create index build_by_task on build (task_id) where task_id is not null;
create index build_by_owner on build (owner);
create index build_by_state on build (state) where state <> 1;
create index build_by_volume on build (volume_id) where volume_id <> 0;

create table build_past (like build, until bigint not null);
create index build_past_by_id on build_past (id, since);
create index build_past_by_nvr on build_past (pkg_id, version, release);

create function build_at(e bigint) returns setof build language sql stable as $$
	select id, volume_id, pkg_id, version, release, epoch, draft, source, create_event, start_time, completion_time, promotion_time,
		state, task_id, owner, promoter, cg_id, extra, since
	from build where since <= e
	union all
	select id, volume_id, pkg_id, version, release, epoch, draft, source, create_event, start_time, completion_time, promotion_time,
		state, task_id, owner, promoter, cg_id, extra, since
	from build_past where since <= e and until > e
$$;

create table build_types (
	build_id bigint not null,
	btype_id bigint not null,
	since bigint not null,
	primary key (build_id, btype_id)
);
create index build_types_by_type on build_types (btype_id, build_id);
