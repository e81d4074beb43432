-- Buildroots. One table for Koji's buildroot and standard_buildroot: host, repo, task, state and events are null for those of content generators.
create table buildroot (
	id bigint primary key,
	br_type integer not null,       -- koji.BuildrootType
	cg_id bigint,
	cg_version text,
	container_type text,
	container_arch text,
	host_os text,
	host_arch text,
	extra text,
	host_id bigint,
	repo_id bigint,
	task_id bigint,
	create_event bigint,
	retire_event bigint,
	state integer,                  -- koji.BuildrootState
	since bigint not null
);
create index buildroot_by_host on buildroot (host_id) where state <> 3;
create index buildroot_by_repo on buildroot (repo_id);
create index buildroot_by_task on buildroot (task_id);
create index buildroot_by_cg on buildroot (cg_id) where cg_id is not null;

create table buildroot_past (like buildroot, until bigint not null);
create index buildroot_past_by_id on buildroot_past (id, since);

create function buildroot_at(e bigint) returns setof buildroot language sql stable as $$
	select id, br_type, cg_id, cg_version, container_type, container_arch, host_os, host_arch, extra, host_id, repo_id, task_id,
		create_event, retire_event, state, since
	from buildroot where since <= e
	union all
	select id, br_type, cg_id, cg_version, container_type, container_arch, host_os, host_arch, extra, host_id, repo_id, task_id,
		create_event, retire_event, state, since
	from buildroot_past where since <= e and until > e
$$;

create table buildroot_tools_info (
	buildroot_id bigint not null,
	tool text not null,
	version text not null,
	primary key (buildroot_id, tool)
);

-- Distinct lists of rpms, each expanded once however many buildroots had it. An array and not a row per rpm: a tenth of the space.
create table content (
	digest text primary key,
	rpms bigint[] not null          -- ids, ascending
);
create index content_by_rpm on content using gin (rpms);

-- Which lists a buildroot had: after it was made, and what the build's own requirements added.
create table buildroot_content (
	buildroot_id bigint not null,
	digest text not null,
	is_update boolean not null,
	since bigint not null,
	primary key (buildroot_id, digest, is_update)
);
create index buildroot_content_by_digest on buildroot_content (digest);
