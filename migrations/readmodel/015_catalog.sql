create table volume (
	id bigint primary key,
	name text not null
);
create unique index volume_by_name on volume (name);

create table btype (
	id bigint primary key,
	name text not null
);
create unique index btype_by_name on btype (name);

create table archivetypes (
	id bigint primary key,
	name text not null,
	description text not null,
	extensions text not null,       -- separated by blanks
	compression_type text
);
create unique index archivetypes_by_name on archivetypes (name);

create table content_generator (
	id bigint primary key,
	name text not null
);
create unique index content_generator_by_name on content_generator (name);

create table cg_users (
	cg_id bigint not null,
	user_id bigint not null,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean check (active),
	primary key (cg_id, user_id, create_event)
);
create unique index cg_users_active on cg_users (cg_id, user_id) where active;
