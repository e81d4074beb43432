-- Who wants to be told of which builds, and who does not. Koji's build_notifications and build_notifications_block.
create table build_notifications (
	id bigint primary key,
	user_id bigint not null,
	package_id bigint,              -- null: of any package
	tag_id bigint,                  -- null: into any tag
	success_only boolean not null,
	email text not null,
	since bigint not null
);
create index build_notifications_by_user on build_notifications (user_id);
create index build_notifications_by_package on build_notifications (package_id);

create table build_notifications_block (
	id bigint primary key,
	user_id bigint not null,
	package_id bigint,
	tag_id bigint,
	since bigint not null
);
create index build_notifications_block_by_user on build_notifications_block (user_id);
