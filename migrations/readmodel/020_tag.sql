-- Names of things are claimed before the things exist and stay when they are gone: what a name stands for has a row in the table of its
-- configuration.
create table tag (
	id bigint primary key,
	name text not null
);
create unique index tag_by_name on tag (name);

create table package (
	id bigint primary key,
	name text not null
);
create unique index package_by_name on package (name);
create index package_by_name_pattern on package (name text_pattern_ops);

create table groups (
	id bigint primary key,
	name text not null
);
create unique index groups_by_name on groups (name);

create table build_target (
	id bigint primary key,
	name text not null
);
create unique index build_target_by_name on build_target (name);

-- 0 is the repository of the site itself, for rpms that were built here
create table external_repo (
	id bigint primary key,
	name text not null
);
insert into external_repo (id, name) values (0, 'INTERNAL');
create unique index external_repo_by_name on external_repo (name);

create table tag_config (
	tag_id bigint not null,
	arches text,                    -- separated by blanks
	perm_id bigint,
	locked boolean not null,
	maven_support boolean not null,
	maven_include_all boolean not null,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean check (active),
	primary key (tag_id, create_event)
);
create unique index tag_config_active on tag_config (tag_id) where active;

create table tag_extra (
	tag_id bigint not null,
	key text not null,
	value text,                     -- JSON; null blocks the key
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean check (active),
	primary key (tag_id, key, create_event)
);
create unique index tag_extra_active on tag_extra (tag_id, key) where active;
create index tag_extra_by_key on tag_extra (key) where active;

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
	active boolean check (active),
	primary key (tag_id, parent_id, create_event)
);
create unique index tag_inheritance_active on tag_inheritance (tag_id, parent_id) where active;
create index tag_inheritance_by_parent on tag_inheritance (parent_id, create_event);
create index tag_inheritance_by_tag on tag_inheritance (tag_id, create_event);

create table tag_packages (
	tag_id bigint not null,
	package_id bigint not null,
	blocked boolean not null,
	extra_arches text,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean check (active),
	primary key (tag_id, package_id, create_event)
);
create unique index tag_packages_active on tag_packages (tag_id, package_id) where active;
create index tag_packages_by_package on tag_packages (package_id);

create table tag_package_owners (
	tag_id bigint not null,
	package_id bigint not null,
	owner bigint not null,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean check (active),
	primary key (tag_id, package_id, create_event)
);
create unique index tag_package_owners_active on tag_package_owners (tag_id, package_id) where active;
create index tag_package_owners_by_owner on tag_package_owners (owner) where active;

create table tag_listing (
	tag_id bigint not null,
	build_id bigint not null,
	seq integer not null,           -- place among the builds of one event: later ones count as tagged later
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean check (active),
	primary key (tag_id, build_id, create_event)
);
create unique index tag_listing_active on tag_listing (tag_id, build_id) where active;
create index tag_listing_by_build on tag_listing (build_id);
create index tag_listing_by_event on tag_listing (tag_id, create_event);

-- The events that changed what is in a tag, whatever it was: what clients ask for when they wait for a repository.
create table tag_change (
	tag_id bigint not null,
	event bigint not null,
	primary key (tag_id, event)
);

create table tag_updates (
	id bigint primary key,          -- position of the update
	tag_id bigint not null,
	update_event bigint not null,
	updater_id bigint,
	update_type integer not null
);
create index tag_updates_by_tag on tag_updates (tag_id, update_event);

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
	active boolean check (active),
	primary key (tag_id, external_repo_id, create_event)
);
create unique index tag_external_repos_active on tag_external_repos (tag_id, external_repo_id) where active;
create index tag_external_repos_by_repo on tag_external_repos (external_repo_id);

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
	active boolean check (active),
	primary key (tag_id, group_id, create_event)
);
create unique index group_config_active on group_config (tag_id, group_id) where active;

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
	active boolean check (active),
	primary key (tag_id, group_id, package, create_event)
);
create unique index group_package_listing_active on group_package_listing (tag_id, group_id, package) where active;

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
	active boolean check (active),
	primary key (tag_id, group_id, req_id, create_event)
);
create unique index group_req_listing_active on group_req_listing (tag_id, group_id, req_id) where active;

create table build_target_config (
	build_target_id bigint not null,
	build_tag bigint not null,
	dest_tag bigint not null,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean check (active),
	primary key (build_target_id, create_event)
);
create unique index build_target_config_active on build_target_config (build_target_id) where active;
create index build_target_config_by_build_tag on build_target_config (build_tag) where active;
create index build_target_config_by_dest_tag on build_target_config (dest_tag) where active;

create table external_repo_config (
	external_repo_id bigint not null,
	url text not null,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean check (active),
	primary key (external_repo_id, create_event)
);
create unique index external_repo_config_active on external_repo_config (external_repo_id) where active;

create table external_repo_data (
	external_repo_id bigint not null,
	data text,                      -- JSON
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean check (active),
	primary key (external_repo_id, create_event)
);
create unique index external_repo_data_active on external_repo_data (external_repo_id) where active;
