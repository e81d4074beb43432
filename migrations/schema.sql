-- The whole of what Moromi keeps in PostgreSQL, as the numbered files and the read models' definition leave it.
-- For reading: it is made by a test from a migrated database (go test ./migrations -update), and nothing applies it.
-- The read models' schema is called rm_ and a digest of its definition.

-- schema: ledger

create table events (
	position bigint not null,
	stream text not null,
	revision bigint not null,
	id uuid not null,
	type text not null,
	data bytea not null,
	meta bytea not null,
	at timestamp with time zone not null,
	CHECK (("position" > 0)),
	CHECK (((octet_length(stream) >= 1) AND (octet_length(stream) <= 512))),
	CHECK ((revision >= 0)),
	CHECK ((type <> ''::text)),
	PRIMARY KEY ("position"),
	UNIQUE (id),
	UNIQUE (stream, revision)
);

CREATE OR REPLACE FUNCTION refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    raise exception 'the ledger is append-only: % on %.% is refused', tg_op, tg_table_schema, tg_table_name
        using errcode = 'insufficient_privilege', hint = 'Correct a mistake by appending an event.';
end
$function$
;

CREATE TRIGGER events_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- schema: ops

create table cg_reservations (
	build_id bigint not null,
	token_hash bytea not null,
	created timestamp with time zone not null default now(),
	CHECK ((length(token_hash) = 32)),
	PRIMARY KEY (build_id)
);

create table host_status (
	host_id bigint not null,
	update_time timestamp with time zone,
	task_load double precision not null default 0,
	ready boolean not null default false,
	data jsonb,
	PRIMARY KEY (host_id)
);

create table kerberos_replay (
	digest bytea not null,
	until timestamp with time zone not null,
	CHECK ((length(digest) = 32)),
	PRIMARY KEY (digest)
);

create table kojira (
	id smallint not null,
	seen timestamp with time zone not null,
	CHECK ((id = 1)),
	PRIMARY KEY (id)
);

create table passwords (
	user_id bigint not null,
	hash text not null,
	changed_at timestamp with time zone not null,
	PRIMARY KEY (user_id)
);

create table policy_decision (
	id bigint not null generated as identity,
	time timestamp with time zone not null,
	event bigint not null,
	user_id bigint,
	policy text not null,
	version bigint not null,
	rule text not null,
	because text not null,
	action text,
	allowed boolean,
	data json,
	facts json,
	PRIMARY KEY (id)
);

create table scheduler_log (
	id bigint not null default nextval('scheduler_log_id_seq'::regclass),
	task_id bigint,
	host_id bigint,
	msg_time timestamp with time zone not null default now(),
	msg text not null,
	PRIMARY KEY (id)
);

create table sessions (
	id bigint not null generated as identity,
	user_id bigint not null,
	key_hash bytea not null,
	hostip text not null,
	authtype smallint not null,
	callnum bigint,
	master bigint,
	start_time timestamp with time zone not null,
	update_time timestamp with time zone not null,
	renew_time timestamp with time zone,
	exclusive boolean not null default false,
	expired boolean not null default false,
	closed boolean not null default false,
	CHECK (((master IS NULL) OR (NOT exclusive))),
	CHECK ((NOT (closed AND exclusive))),
	CHECK ((length(key_hash) = 32)),
	FOREIGN KEY (master) REFERENCES sessions(id) ON DELETE CASCADE,
	PRIMARY KEY (id)
);

CREATE INDEX kerberos_replay_until ON kerberos_replay USING btree (until);

CREATE INDEX policy_decision_by_policy ON policy_decision USING btree (policy, id);

CREATE INDEX policy_decision_by_time ON policy_decision USING btree ("time");

CREATE INDEX scheduler_log_by_task ON scheduler_log USING btree (task_id);

CREATE INDEX scheduler_log_by_time ON scheduler_log USING btree (msg_time);

CREATE UNIQUE INDEX sessions_exclusive ON sessions USING btree (user_id) WHERE exclusive;

CREATE INDEX sessions_master ON sessions USING btree (master) WHERE (master IS NOT NULL);

CREATE INDEX sessions_update ON sessions USING btree (update_time);

CREATE INDEX sessions_user ON sessions USING btree (user_id, id);

-- schema: read models

create table archive_components (
	archive_id bigint not null,
	component_id bigint not null,
	PRIMARY KEY (archive_id, component_id)
);

create table archive_content (
	archive_id bigint not null,
	digest text not null,
	PRIMARY KEY (archive_id)
);

create table archiveinfo (
	id bigint not null,
	type_id bigint not null,
	btype_id bigint not null,
	build_id bigint not null,
	buildroot_id bigint,
	filename text not null,
	subdir text not null,
	size bigint not null,
	checksum text not null,
	checksum_type integer not null,
	metadata_only boolean not null,
	extra text,
	since bigint not null,
	PRIMARY KEY (id)
);

create table archiveinfo_past (
	id bigint not null,
	type_id bigint not null,
	btype_id bigint not null,
	build_id bigint not null,
	buildroot_id bigint,
	filename text not null,
	subdir text not null,
	size bigint not null,
	checksum text not null,
	checksum_type integer not null,
	metadata_only boolean not null,
	extra text,
	since bigint not null,
	until bigint not null
);

create table archivetypes (
	id bigint not null,
	name text not null,
	description text not null,
	extensions text not null,
	compression_type text,
	PRIMARY KEY (id)
);

create table btype (
	id bigint not null,
	name text not null,
	PRIMARY KEY (id)
);

create table build (
	id bigint not null,
	volume_id bigint not null,
	pkg_id bigint not null,
	version text not null,
	release text not null,
	epoch bigint,
	draft boolean not null,
	source text,
	create_event bigint not null,
	start_time timestamp with time zone,
	completion_time timestamp with time zone,
	promotion_time timestamp with time zone,
	state integer not null,
	task_id bigint,
	owner bigint not null,
	promoter bigint,
	cg_id bigint,
	extra text,
	since bigint not null,
	PRIMARY KEY (id)
);

create table build_notifications (
	id bigint not null,
	user_id bigint not null,
	package_id bigint,
	tag_id bigint,
	success_only boolean not null,
	email text not null,
	since bigint not null,
	PRIMARY KEY (id)
);

create table build_notifications_block (
	id bigint not null,
	user_id bigint not null,
	package_id bigint,
	tag_id bigint,
	since bigint not null,
	PRIMARY KEY (id)
);

create table build_past (
	id bigint not null,
	volume_id bigint not null,
	pkg_id bigint not null,
	version text not null,
	release text not null,
	epoch bigint,
	draft boolean not null,
	source text,
	create_event bigint not null,
	start_time timestamp with time zone,
	completion_time timestamp with time zone,
	promotion_time timestamp with time zone,
	state integer not null,
	task_id bigint,
	owner bigint not null,
	promoter bigint,
	cg_id bigint,
	extra text,
	since bigint not null,
	until bigint not null
);

create table build_target (
	id bigint not null,
	name text not null,
	PRIMARY KEY (id)
);

create table build_target_config (
	build_target_id bigint not null,
	build_tag bigint not null,
	dest_tag bigint not null,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean,
	CHECK (active),
	PRIMARY KEY (build_target_id, create_event)
);

create table build_types (
	build_id bigint not null,
	btype_id bigint not null,
	since bigint not null,
	PRIMARY KEY (build_id, btype_id)
);

create table buildroot (
	id bigint not null,
	br_type integer not null,
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
	state integer,
	since bigint not null,
	PRIMARY KEY (id)
);

create table buildroot_archives (
	buildroot_id bigint not null,
	archive_id bigint not null,
	project_dep boolean not null,
	since bigint not null,
	PRIMARY KEY (buildroot_id, archive_id)
);

create table buildroot_content (
	buildroot_id bigint not null,
	digest text not null,
	is_update boolean not null,
	since bigint not null,
	PRIMARY KEY (buildroot_id, digest, is_update)
);

create table buildroot_past (
	id bigint not null,
	br_type integer not null,
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
	state integer,
	since bigint not null,
	until bigint not null
);

create table buildroot_tools_info (
	buildroot_id bigint not null,
	tool text not null,
	version text not null,
	PRIMARY KEY (buildroot_id, tool)
);

create table cg_users (
	cg_id bigint not null,
	user_id bigint not null,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean,
	CHECK (active),
	PRIMARY KEY (cg_id, user_id, create_event)
);

create table channels (
	id bigint not null,
	name text not null,
	description text,
	enabled boolean not null,
	comment text,
	PRIMARY KEY (id)
);

create table checkpoint (
	one boolean not null default true,
	position bigint not null,
	CHECK (one),
	PRIMARY KEY (one)
);

create table content (
	digest text not null,
	rpms bigint[] not null,
	PRIMARY KEY (digest)
);

create table content_generator (
	id bigint not null,
	name text not null,
	PRIMARY KEY (id)
);

create table dist_latest (
	tag_id bigint not null,
	repo_id bigint not null,
	rolled_back boolean not null,
	since bigint not null,
	PRIMARY KEY (tag_id)
);

create table dist_latest_past (
	tag_id bigint not null,
	repo_id bigint not null,
	rolled_back boolean not null,
	since bigint not null,
	until bigint not null
);

create table events (
	id bigint not null,
	time timestamp with time zone not null,
	PRIMARY KEY (id)
);

create table external_repo (
	id bigint not null,
	name text not null,
	PRIMARY KEY (id)
);

create table external_repo_config (
	external_repo_id bigint not null,
	url text not null,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean,
	CHECK (active),
	PRIMARY KEY (external_repo_id, create_event)
);

create table external_repo_data (
	external_repo_id bigint not null,
	data text,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean,
	CHECK (active),
	PRIMARY KEY (external_repo_id, create_event)
);

create table group_config (
	group_id bigint not null,
	tag_id bigint not null,
	blocked boolean not null,
	exported boolean,
	display_name text not null,
	is_default boolean,
	uservisible boolean,
	description text,
	langonly text,
	biarchonly boolean,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean,
	CHECK (active),
	PRIMARY KEY (tag_id, group_id, create_event)
);

create table group_package_listing (
	group_id bigint not null,
	tag_id bigint not null,
	package text not null,
	blocked boolean not null,
	type text not null,
	basearchonly boolean,
	requires text,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean,
	CHECK (active),
	PRIMARY KEY (tag_id, group_id, package, create_event)
);

create table group_req_listing (
	group_id bigint not null,
	tag_id bigint not null,
	req_id bigint not null,
	blocked boolean not null,
	type text,
	is_metapkg boolean not null,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean,
	CHECK (active),
	PRIMARY KEY (tag_id, group_id, req_id, create_event)
);

create table groups (
	id bigint not null,
	name text not null,
	PRIMARY KEY (id)
);

create table host (
	id bigint not null,
	user_id bigint not null,
	name text not null,
	PRIMARY KEY (id)
);

create table host_channels (
	host_id bigint not null,
	channel_id bigint not null,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean,
	CHECK (active),
	PRIMARY KEY (host_id, channel_id, create_event)
);

create table host_config (
	host_id bigint not null,
	arches text,
	capacity double precision not null,
	description text,
	comment text,
	enabled boolean not null,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean,
	CHECK (active),
	PRIMARY KEY (host_id, create_event)
);

create table image_archives (
	archive_id bigint not null,
	arch text not null,
	PRIMARY KEY (archive_id)
);

create table maven_archives (
	archive_id bigint not null,
	group_id text not null,
	artifact_id text not null,
	version text not null,
	PRIMARY KEY (archive_id)
);

create table maven_builds (
	build_id bigint not null,
	group_id text not null,
	artifact_id text not null,
	version text not null,
	since bigint not null,
	PRIMARY KEY (build_id)
);

create table maven_builds_past (
	build_id bigint not null,
	group_id text not null,
	artifact_id text not null,
	version text not null,
	since bigint not null,
	until bigint not null
);

create table package (
	id bigint not null,
	name text not null,
	PRIMARY KEY (id)
);

create table permissions (
	id bigint not null,
	name text not null,
	description text,
	PRIMARY KEY (id)
);

create table policy (
	name text not null,
	version bigint not null,
	text text not null,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean,
	CHECK (active),
	PRIMARY KEY (name, create_event)
);

create table repo (
	id bigint not null,
	creation_time timestamp with time zone not null,
	create_event bigint not null,
	state_time timestamp with time zone not null,
	begin_event bigint,
	end_event bigint,
	tag_id bigint not null,
	state integer not null,
	dist boolean not null,
	opts jsonb,
	custom_opts jsonb,
	task_id bigint,
	problem text,
	since bigint not null,
	PRIMARY KEY (id)
);

create table repo_past (
	id bigint not null,
	creation_time timestamp with time zone not null,
	create_event bigint not null,
	state_time timestamp with time zone not null,
	begin_event bigint,
	end_event bigint,
	tag_id bigint not null,
	state integer not null,
	dist boolean not null,
	opts jsonb,
	custom_opts jsonb,
	task_id bigint,
	problem text,
	since bigint not null,
	until bigint not null
);

create table repo_queue (
	id bigint not null,
	create_time timestamp with time zone not null,
	owner bigint not null,
	priority bigint not null,
	tag_id bigint not null,
	at_event bigint,
	min_event bigint,
	opts jsonb not null,
	update_time timestamp with time zone not null,
	active boolean not null,
	task_id bigint,
	tries bigint not null,
	repo_id bigint,
	PRIMARY KEY (id)
);

create table rpm_checksum (
	rpm_id bigint not null,
	sigkey text not null,
	checksum_type integer not null,
	checksum text not null,
	PRIMARY KEY (rpm_id, sigkey, checksum_type)
);

create table rpminfo (
	id bigint not null,
	build_id bigint,
	buildroot_id bigint,
	name text not null,
	version text not null,
	release text not null,
	epoch bigint,
	arch text not null,
	draft boolean,
	external_repo_id bigint not null,
	payloadhash text not null,
	size bigint not null,
	buildtime bigint not null,
	metadata_only boolean not null,
	extra text,
	sha256 text,
	since bigint not null,
	PRIMARY KEY (id)
);

create table rpminfo_past (
	id bigint not null,
	build_id bigint,
	buildroot_id bigint,
	name text not null,
	version text not null,
	release text not null,
	epoch bigint,
	arch text not null,
	draft boolean,
	external_repo_id bigint not null,
	payloadhash text not null,
	size bigint not null,
	buildtime bigint not null,
	metadata_only boolean not null,
	extra text,
	sha256 text,
	since bigint not null,
	until bigint not null
);

create table rpmsigs (
	rpm_id bigint not null,
	sigkey text not null,
	sighash text not null,
	since bigint not null,
	PRIMARY KEY (rpm_id, sigkey)
);

create table rpmsigs_past (
	rpm_id bigint not null,
	sigkey text not null,
	sighash text not null,
	since bigint not null,
	until bigint not null
);

create table scheduler_task_refusals (
	id bigint not null,
	task_id bigint not null,
	host_id bigint not null,
	by_host boolean not null,
	soft boolean not null,
	msg text not null,
	time timestamp with time zone not null,
	PRIMARY KEY (task_id, host_id)
);

create table scheduler_task_runs (
	id bigint not null,
	task_id bigint not null,
	host_id bigint not null,
	active boolean not null,
	create_time timestamp with time zone not null,
	PRIMARY KEY (id)
);

create table tag (
	id bigint not null,
	name text not null,
	PRIMARY KEY (id)
);

create table tag_change (
	tag_id bigint not null,
	event bigint not null,
	PRIMARY KEY (tag_id, event)
);

create table tag_config (
	tag_id bigint not null,
	arches text,
	perm_id bigint,
	locked boolean not null,
	maven_support boolean not null,
	maven_include_all boolean not null,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean,
	CHECK (active),
	PRIMARY KEY (tag_id, create_event)
);

create table tag_external_repos (
	tag_id bigint not null,
	external_repo_id bigint not null,
	priority bigint not null,
	merge_mode text not null,
	arches text,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean,
	CHECK (active),
	PRIMARY KEY (tag_id, external_repo_id, create_event)
);

create table tag_extra (
	tag_id bigint not null,
	key text not null,
	value text,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean,
	CHECK (active),
	PRIMARY KEY (tag_id, key, create_event)
);

create table tag_inheritance (
	tag_id bigint not null,
	parent_id bigint not null,
	priority bigint not null,
	maxdepth bigint,
	intransitive boolean not null,
	noconfig boolean not null,
	pkg_filter text not null,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean,
	CHECK (active),
	PRIMARY KEY (tag_id, parent_id, create_event)
);

create table tag_listing (
	tag_id bigint not null,
	build_id bigint not null,
	seq integer not null,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean,
	CHECK (active),
	PRIMARY KEY (tag_id, build_id, create_event)
);

create table tag_package_owners (
	tag_id bigint not null,
	package_id bigint not null,
	owner bigint not null,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean,
	CHECK (active),
	PRIMARY KEY (tag_id, package_id, create_event)
);

create table tag_packages (
	tag_id bigint not null,
	package_id bigint not null,
	blocked boolean not null,
	extra_arches text,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean,
	CHECK (active),
	PRIMARY KEY (tag_id, package_id, create_event)
);

create table tag_updates (
	id bigint not null,
	tag_id bigint not null,
	update_event bigint not null,
	updater_id bigint,
	update_type integer not null,
	PRIMARY KEY (id)
);

create table task (
	id bigint not null,
	state integer not null,
	create_time timestamp with time zone not null,
	start_time timestamp with time zone,
	completion_time timestamp with time zone,
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
	since bigint not null,
	PRIMARY KEY (id)
);

create table task_document (
	id bigint not null,
	request text not null,
	result text,
	PRIMARY KEY (id)
);

create table task_past (
	id bigint not null,
	state integer not null,
	create_time timestamp with time zone not null,
	start_time timestamp with time zone,
	completion_time timestamp with time zone,
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
	since bigint not null,
	until bigint not null
);

create table user_groups (
	user_id bigint not null,
	group_id bigint not null,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean,
	CHECK (active),
	PRIMARY KEY (user_id, group_id, create_event)
);

create table user_krb_principals (
	user_id bigint not null,
	krb_principal text not null,
	PRIMARY KEY (user_id, krb_principal)
);

create table user_perms (
	user_id bigint not null,
	perm_id bigint not null,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean,
	CHECK (active),
	PRIMARY KEY (user_id, perm_id, create_event)
);

create table users (
	id bigint not null,
	name text not null,
	status integer not null,
	usertype integer not null,
	PRIMARY KEY (id)
);

create table volume (
	id bigint not null,
	name text not null,
	PRIMARY KEY (id)
);

create table win_archives (
	archive_id bigint not null,
	relpath text not null,
	platforms text not null,
	flags text,
	PRIMARY KEY (archive_id)
);

create table win_builds (
	build_id bigint not null,
	platform text not null,
	since bigint not null,
	PRIMARY KEY (build_id)
);

create table win_builds_past (
	build_id bigint not null,
	platform text not null,
	since bigint not null,
	until bigint not null
);

CREATE INDEX archive_components_by_component ON archive_components USING btree (component_id);

CREATE INDEX archive_content_by_digest ON archive_content USING btree (digest);

CREATE INDEX archiveinfo_by_btype ON archiveinfo USING btree (btype_id, id);

CREATE INDEX archiveinfo_by_build ON archiveinfo USING btree (build_id);

CREATE INDEX archiveinfo_by_buildroot ON archiveinfo USING btree (buildroot_id) WHERE (buildroot_id IS NOT NULL);

CREATE INDEX archiveinfo_by_checksum ON archiveinfo USING btree (checksum);

CREATE INDEX archiveinfo_by_filename ON archiveinfo USING btree (filename, size);

CREATE INDEX archiveinfo_past_by_build ON archiveinfo_past USING btree (build_id);

CREATE INDEX archiveinfo_past_by_id ON archiveinfo_past USING btree (id, since);

CREATE UNIQUE INDEX archivetypes_by_name ON archivetypes USING btree (name);

CREATE UNIQUE INDEX btype_by_name ON btype USING btree (name);

CREATE INDEX build_by_completion ON build USING btree (completion_time);

CREATE INDEX build_by_nvr ON build USING btree (pkg_id, version, release);

CREATE INDEX build_by_owner ON build USING btree (owner);

CREATE INDEX build_by_state ON build USING btree (state) WHERE (state <> 1);

CREATE INDEX build_by_task ON build USING btree (task_id) WHERE (task_id IS NOT NULL);

CREATE INDEX build_by_volume ON build USING btree (volume_id) WHERE (volume_id <> 0);

CREATE INDEX build_notifications_by_package ON build_notifications USING btree (package_id);

CREATE INDEX build_notifications_by_user ON build_notifications USING btree (user_id);

CREATE INDEX build_notifications_block_by_user ON build_notifications_block USING btree (user_id);

CREATE INDEX build_past_by_id ON build_past USING btree (id, since);

CREATE INDEX build_past_by_nvr ON build_past USING btree (pkg_id, version, release);

CREATE UNIQUE INDEX build_target_by_name ON build_target USING btree (name);

CREATE UNIQUE INDEX build_target_config_active ON build_target_config USING btree (build_target_id) WHERE active;

CREATE INDEX build_target_config_by_build_tag ON build_target_config USING btree (build_tag) WHERE active;

CREATE INDEX build_target_config_by_dest_tag ON build_target_config USING btree (dest_tag) WHERE active;

CREATE INDEX build_types_by_type ON build_types USING btree (btype_id, build_id);

CREATE INDEX buildroot_by_cg ON buildroot USING btree (cg_id) WHERE (cg_id IS NOT NULL);

CREATE INDEX buildroot_by_host ON buildroot USING btree (host_id) WHERE (state <> 3);

CREATE INDEX buildroot_by_repo ON buildroot USING btree (repo_id);

CREATE INDEX buildroot_by_task ON buildroot USING btree (task_id);

CREATE INDEX buildroot_archives_by_archive ON buildroot_archives USING btree (archive_id);

CREATE INDEX buildroot_content_by_digest ON buildroot_content USING btree (digest);

CREATE INDEX buildroot_past_by_id ON buildroot_past USING btree (id, since);

CREATE UNIQUE INDEX cg_users_active ON cg_users USING btree (cg_id, user_id) WHERE active;

CREATE UNIQUE INDEX channels_by_name ON channels USING btree (name);

CREATE INDEX content_by_rpm ON content USING gin (rpms);

CREATE UNIQUE INDEX content_generator_by_name ON content_generator USING btree (name);

CREATE INDEX dist_latest_past_by_tag ON dist_latest_past USING btree (tag_id, since);

CREATE INDEX events_by_time ON events USING btree ("time", id);

CREATE UNIQUE INDEX external_repo_by_name ON external_repo USING btree (name);

CREATE UNIQUE INDEX external_repo_config_active ON external_repo_config USING btree (external_repo_id) WHERE active;

CREATE UNIQUE INDEX external_repo_data_active ON external_repo_data USING btree (external_repo_id) WHERE active;

CREATE UNIQUE INDEX group_config_active ON group_config USING btree (tag_id, group_id) WHERE active;

CREATE UNIQUE INDEX group_package_listing_active ON group_package_listing USING btree (tag_id, group_id, package) WHERE active;

CREATE UNIQUE INDEX group_req_listing_active ON group_req_listing USING btree (tag_id, group_id, req_id) WHERE active;

CREATE UNIQUE INDEX groups_by_name ON groups USING btree (name);

CREATE UNIQUE INDEX host_by_name ON host USING btree (name);

CREATE UNIQUE INDEX host_by_user ON host USING btree (user_id);

CREATE UNIQUE INDEX host_channels_active ON host_channels USING btree (host_id, channel_id) WHERE active;

CREATE INDEX host_channels_by_channel ON host_channels USING btree (channel_id) WHERE active;

CREATE UNIQUE INDEX host_config_active ON host_config USING btree (host_id) WHERE active;

CREATE INDEX maven_archives_by_name ON maven_archives USING btree (group_id, artifact_id, version);

CREATE INDEX maven_builds_by_name ON maven_builds USING btree (group_id, artifact_id, version);

CREATE INDEX maven_builds_past_by_build ON maven_builds_past USING btree (build_id);

CREATE UNIQUE INDEX package_by_name ON package USING btree (name);

CREATE INDEX package_by_name_pattern ON package USING btree (name text_pattern_ops);

CREATE UNIQUE INDEX permissions_by_name ON permissions USING btree (name);

CREATE UNIQUE INDEX policy_active ON policy USING btree (name) WHERE active;

CREATE INDEX policy_by_end ON policy USING btree (revoke_event);

CREATE INDEX policy_by_event ON policy USING btree (create_event);

CREATE INDEX repo_by_state ON repo USING btree (state) WHERE (state = ANY (ARRAY[0, 1, 2, 4]));

CREATE INDEX repo_by_tag ON repo USING btree (tag_id, state, create_event DESC);

CREATE INDEX repo_by_task ON repo USING btree (task_id) WHERE (task_id IS NOT NULL);

CREATE INDEX repo_past_by_id ON repo_past USING btree (id, since);

CREATE INDEX repo_past_by_tag ON repo_past USING btree (tag_id);

CREATE INDEX repo_queue_active ON repo_queue USING btree (tag_id, priority, id) WHERE active;

CREATE INDEX repo_queue_by_tag ON repo_queue USING btree (tag_id);

CREATE INDEX repo_queue_over ON repo_queue USING btree (update_time) WHERE (NOT active);

CREATE INDEX rpminfo_by_build ON rpminfo USING btree (build_id);

CREATE INDEX rpminfo_by_buildroot ON rpminfo USING btree (buildroot_id) WHERE (buildroot_id IS NOT NULL);

CREATE INDEX rpminfo_by_external_repo ON rpminfo USING btree (external_repo_id, id) WHERE (external_repo_id <> 0);

CREATE INDEX rpminfo_by_file_name ON rpminfo USING btree (((((((((name || '-'::text) || version) || '-'::text) || release) || '.'::text) || arch) || '.rpm'::text))) INCLUDE (id);

CREATE INDEX rpminfo_by_file_name_part ON rpminfo USING gin (((((((((name || '-'::text) || version) || '-'::text) || release) || '.'::text) || arch) || '.rpm'::text)) gin_trgm_ops);

CREATE INDEX rpminfo_by_nvra ON rpminfo USING btree (name, version, release, arch, external_repo_id);

CREATE INDEX rpminfo_by_payloadhash ON rpminfo USING btree (payloadhash);

CREATE INDEX rpminfo_past_by_build ON rpminfo_past USING btree (build_id);

CREATE INDEX rpminfo_past_by_id ON rpminfo_past USING btree (id, since);

CREATE INDEX rpminfo_past_by_nvra ON rpminfo_past USING btree (name, version, release, arch);

CREATE INDEX rpmsigs_by_key ON rpmsigs USING btree (sigkey, rpm_id);

CREATE INDEX rpmsigs_past_by_rpm ON rpmsigs_past USING btree (rpm_id);

CREATE INDEX scheduler_task_runs_active ON scheduler_task_runs USING btree (host_id) WHERE active;

CREATE INDEX scheduler_task_runs_by_task ON scheduler_task_runs USING btree (task_id);

CREATE UNIQUE INDEX tag_by_name ON tag USING btree (name);

CREATE UNIQUE INDEX tag_config_active ON tag_config USING btree (tag_id) WHERE active;

CREATE UNIQUE INDEX tag_external_repos_active ON tag_external_repos USING btree (tag_id, external_repo_id) WHERE active;

CREATE INDEX tag_external_repos_by_repo ON tag_external_repos USING btree (external_repo_id);

CREATE UNIQUE INDEX tag_extra_active ON tag_extra USING btree (tag_id, key) WHERE active;

CREATE INDEX tag_extra_by_key ON tag_extra USING btree (key) WHERE active;

CREATE UNIQUE INDEX tag_inheritance_active ON tag_inheritance USING btree (tag_id, parent_id) WHERE active;

CREATE INDEX tag_inheritance_by_parent ON tag_inheritance USING btree (parent_id, create_event);

CREATE INDEX tag_inheritance_by_tag ON tag_inheritance USING btree (tag_id, create_event);

CREATE UNIQUE INDEX tag_listing_active ON tag_listing USING btree (tag_id, build_id) WHERE active;

CREATE INDEX tag_listing_by_build ON tag_listing USING btree (build_id);

CREATE INDEX tag_listing_by_event ON tag_listing USING btree (tag_id, create_event);

CREATE UNIQUE INDEX tag_package_owners_active ON tag_package_owners USING btree (tag_id, package_id) WHERE active;

CREATE INDEX tag_package_owners_by_owner ON tag_package_owners USING btree (owner) WHERE active;

CREATE UNIQUE INDEX tag_packages_active ON tag_packages USING btree (tag_id, package_id) WHERE active;

CREATE INDEX tag_packages_by_package ON tag_packages USING btree (package_id);

CREATE INDEX tag_updates_by_tag ON tag_updates USING btree (tag_id, update_event);

CREATE INDEX task_active ON task USING btree (state, priority, create_time) WHERE (state = ANY (ARRAY[0, 1, 4]));

CREATE INDEX task_by_channel ON task USING btree (channel_id, state);

CREATE INDEX task_by_completion ON task USING btree (completion_time);

CREATE INDEX task_by_create ON task USING btree (create_time);

CREATE INDEX task_by_host ON task USING btree (host_id, state) WHERE (host_id IS NOT NULL);

CREATE UNIQUE INDEX task_by_label ON task USING btree (parent, label) WHERE (label IS NOT NULL);

CREATE INDEX task_by_method ON task USING btree (method, id);

CREATE INDEX task_by_owner ON task USING btree (owner, id);

CREATE INDEX task_by_parent ON task USING btree (parent, id) WHERE (parent IS NOT NULL);

CREATE INDEX task_by_start ON task USING btree (start_time);

CREATE INDEX task_top ON task USING btree (id) WHERE (parent IS NULL);

CREATE INDEX task_waiting ON task USING btree (channel_id, arch, priority, create_time, id) WHERE (state = 0);

CREATE INDEX task_past_by_id ON task_past USING btree (id, since);

CREATE UNIQUE INDEX user_groups_active ON user_groups USING btree (user_id, group_id) WHERE active;

CREATE INDEX user_groups_by_group ON user_groups USING btree (group_id) WHERE active;

CREATE UNIQUE INDEX user_krb_principals_by_principal ON user_krb_principals USING btree (krb_principal);

CREATE UNIQUE INDEX user_perms_active ON user_perms USING btree (user_id, perm_id) WHERE active;

CREATE INDEX user_perms_by_perm ON user_perms USING btree (perm_id) WHERE active;

CREATE UNIQUE INDEX users_by_name ON users USING btree (name);

CREATE UNIQUE INDEX volume_by_name ON volume USING btree (name);

CREATE INDEX win_builds_past_by_build ON win_builds_past USING btree (build_id);

CREATE OR REPLACE FUNCTION archiveinfo_at(e bigint)
 RETURNS SETOF archiveinfo
 LANGUAGE sql
 STABLE
AS $function$
	select id, type_id, btype_id, build_id, buildroot_id, filename, subdir, size, checksum, checksum_type, metadata_only, extra, since
	from archiveinfo where since <= e
	union all
	select id, type_id, btype_id, build_id, buildroot_id, filename, subdir, size, checksum, checksum_type, metadata_only, extra, since
	from archiveinfo_past where since <= e and until > e
$function$
;

CREATE OR REPLACE FUNCTION build_at(e bigint)
 RETURNS SETOF build
 LANGUAGE sql
 STABLE
AS $function$
	select id, volume_id, pkg_id, version, release, epoch, draft, source, create_event, start_time, completion_time, promotion_time,
		state, task_id, owner, promoter, cg_id, extra, since
	from build where since <= e
	union all
	select id, volume_id, pkg_id, version, release, epoch, draft, source, create_event, start_time, completion_time, promotion_time,
		state, task_id, owner, promoter, cg_id, extra, since
	from build_past where since <= e and until > e
$function$
;

CREATE OR REPLACE FUNCTION buildroot_at(e bigint)
 RETURNS SETOF buildroot
 LANGUAGE sql
 STABLE
AS $function$
	select id, br_type, cg_id, cg_version, container_type, container_arch, host_os, host_arch, extra, host_id, repo_id, task_id,
		create_event, retire_event, state, since
	from buildroot where since <= e
	union all
	select id, br_type, cg_id, cg_version, container_type, container_arch, host_os, host_arch, extra, host_id, repo_id, task_id,
		create_event, retire_event, state, since
	from buildroot_past where since <= e and until > e
$function$
;

CREATE OR REPLACE FUNCTION dist_latest_at(e bigint)
 RETURNS SETOF dist_latest
 LANGUAGE sql
 STABLE
AS $function$
	select tag_id, repo_id, rolled_back, since from dist_latest where since <= e
	union all
	select tag_id, repo_id, rolled_back, since from dist_latest_past where since <= e and until > e
$function$
;

CREATE OR REPLACE FUNCTION maven_builds_at(e bigint)
 RETURNS SETOF maven_builds
 LANGUAGE sql
 STABLE
AS $function$
	select build_id, group_id, artifact_id, version, since from maven_builds where since <= e
	union all
	select build_id, group_id, artifact_id, version, since from maven_builds_past where since <= e and until > e
$function$
;

CREATE OR REPLACE FUNCTION repo_at(e bigint)
 RETURNS SETOF repo
 LANGUAGE sql
 STABLE
AS $function$
	select id, creation_time, create_event, state_time, begin_event, end_event, tag_id, state, dist, opts, custom_opts, task_id, problem, since
	from repo where since <= e
	union all
	select id, creation_time, create_event, state_time, begin_event, end_event, tag_id, state, dist, opts, custom_opts, task_id, problem, since
	from repo_past where since <= e and until > e
$function$
;

CREATE OR REPLACE FUNCTION rpminfo_at(e bigint)
 RETURNS SETOF rpminfo
 LANGUAGE sql
 STABLE
AS $function$
	select id, build_id, buildroot_id, name, version, release, epoch, arch, draft, external_repo_id, payloadhash, size, buildtime,
		metadata_only, extra, sha256, since
	from rpminfo where since <= e
	union all
	select id, build_id, buildroot_id, name, version, release, epoch, arch, draft, external_repo_id, payloadhash, size, buildtime,
		metadata_only, extra, sha256, since
	from rpminfo_past where since <= e and until > e
$function$
;

CREATE OR REPLACE FUNCTION rpmsigs_at(e bigint)
 RETURNS SETOF rpmsigs
 LANGUAGE sql
 STABLE
AS $function$
	select rpm_id, sigkey, sighash, since from rpmsigs where since <= e
	union all
	select rpm_id, sigkey, sighash, since from rpmsigs_past where since <= e and until > e
$function$
;

CREATE OR REPLACE FUNCTION task_at(e bigint)
 RETURNS SETOF task
 LANGUAGE sql
 STABLE
AS $function$
	select * from task where since <= e
	union all
	select id, state, create_time, start_time, completion_time, channel_id, host_id, parent, label, waiting, awaited, owner, method, arch,
		priority, weight, since from task_past where since <= e and until > e
$function$
;

CREATE OR REPLACE FUNCTION win_builds_at(e bigint)
 RETURNS SETOF win_builds
 LANGUAGE sql
 STABLE
AS $function$
	select build_id, platform, since from win_builds where since <= e
	union all
	select build_id, platform, since from win_builds_past where since <= e and until > e
$function$
;
