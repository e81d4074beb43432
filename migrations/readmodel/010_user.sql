create table users (
	id bigint primary key,
	name text not null,
	status integer not null,        -- koji.UserStatus
	usertype integer not null       -- koji.UserType
);
create unique index users_by_name on users (name);

create table user_krb_principals (
	user_id bigint not null,
	krb_principal text not null,
	primary key (user_id, krb_principal)
);
create unique index user_krb_principals_by_principal on user_krb_principals (krb_principal);

create table permissions (
	id bigint primary key,
	name text not null,
	description text
);
create unique index permissions_by_name on permissions (name);

create table user_perms (
	user_id bigint not null,
	perm_id bigint not null,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean check (active),
	primary key (user_id, perm_id, create_event)
);
create unique index user_perms_active on user_perms (user_id, perm_id) where active;
create index user_perms_by_perm on user_perms (perm_id) where active;

create table user_groups (
	user_id bigint not null,
	group_id bigint not null,
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean check (active),
	primary key (user_id, group_id, create_event)
);
create unique index user_groups_active on user_groups (user_id, group_id) where active;
create index user_groups_by_group on user_groups (group_id) where active;
