-- The site's own hub policies, every version of each. Where none is active, the default holds.
create table policy (
	name text not null,
	version bigint not null,
	text text not null,             -- the rules, one a line
	create_event bigint not null,
	revoke_event bigint,
	creator_id bigint,
	revoker_id bigint,
	active boolean check (active),
	primary key (name, create_event)
);
create unique index policy_active on policy (name) where active;
create index policy_by_event on policy (create_event);
create index policy_by_end on policy (revoke_event);
