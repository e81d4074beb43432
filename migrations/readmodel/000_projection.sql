-- Read models: what replaying the ledger gives. Everything here can be dropped and made again.
--
-- Rules. Ids come from events, nothing is generated here: no serials, no defaults that read a clock. No foreign keys: the ledger was
-- checked when it was written. Two shapes:
--   versioned  as in Koji: every version is a row with create_event, revoke_event, creator_id, revoker_id, active (true or null).
--              A version holds at event e if create_event <= e and (revoke_event is null or revoke_event > e).
--   stateful   one row a thing, as it is now, with since (position of its last change), and a twin NAME_past
--              with the earlier rows and until (position at which they ceased to hold). NAME_at(e) gives the rows as of e.

-- where the read models are in the ledger; moves in the transaction that writes the rows
create table checkpoint (
	one boolean primary key default true check (one),
	position bigint not null
);
insert into checkpoint (position) values (0);

-- the appends that clients may know as events: those that changed something that has versions
create table events (
	id bigint primary key,          -- position of the append's last event
	time timestamptz not null
);
create index events_by_time on events (time, id);
