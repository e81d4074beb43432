create table channels (
	id bigint primary key,
	name text not null,
	description text,
	enabled boolean not null,
	comment text
);
create unique index channels_by_name on channels (name);

create table host (
	id bigint primary key,
	user_id bigint not null,
	name text not null
);
create unique index host_by_name on host (name);
create unique index host_by_user on host (user_id);

create table host_config (
	host_id bigint not null,
	arches text,                    -- separated by blanks
	capacity double precision not null,
	description text,
	comment text,
	enabled boolean not null,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean check (active),
	primary key (host_id, create_event)
);
create unique index host_config_active on host_config (host_id) where active;

create table host_channels (
	host_id bigint not null,
	channel_id bigint not null,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean check (active),
	primary key (host_id, channel_id, create_event)
);
create unique index host_channels_active on host_channels (host_id, channel_id) where active;
create index host_channels_by_channel on host_channels (channel_id) where active;
