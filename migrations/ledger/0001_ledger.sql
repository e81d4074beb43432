-- The ledger: every event, in the order in which it was committed. events/pgledger is its only writer.
--
-- position  place in the whole; dense from 1. Handed out under an advisory lock that is held until the commit is visible,
--           so a reader that has n has everything before n.
-- revision  place in the stream, dense from 0.
-- id        the idempotency key of a retry.
-- data,meta JSON, byte for byte as it was given. bytea and not json or jsonb: nothing an event carries can be refused here (one refused
--           row would fail the appends of all who share its group commit), keys keep their order, and readers pay for no check twice.
-- at        the ledger's time; never goes back along positions.
create schema ledger;

create table ledger.events (
    position bigint      primary key check (position > 0),
    stream   text        not null collate "C" check (octet_length(stream) between 1 and 512),
    revision bigint      not null check (revision >= 0),
    id       uuid        not null unique,
    type     text        not null collate "C" check (type <> ''),
    data     bytea       not null,
    meta     bytea       not null,
    at       timestamptz not null,
    unique (stream, revision)
);

comment on table ledger.events is 'append-only; UPDATE, DELETE and TRUNCATE are refused by the trigger events_append_only';

-- History is not touched: not by mistake in psql, not by a migration, not in a replicated session (enable always). A mistake is corrected by
-- another event. Only a superuser or the table's owner who drops the trigger gets past it; the transparency log shows that it was done.
create function ledger.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the ledger is append-only: % on %.% is refused', tg_op, tg_table_schema, tg_table_name
        using errcode = 'insufficient_privilege', hint = 'Correct a mistake by appending an event.';
end
$$;

create trigger events_append_only before update or delete or truncate on ledger.events
    for each statement execute function ledger.refuse_change();
alter table ledger.events enable always trigger events_append_only;

revoke update, delete, truncate on ledger.events from public;

-- For people at psql.
create view ledger.readable as
    select position, stream, revision, id, type, convert_from(data, 'UTF8') as data, convert_from(meta, 'UTF8') as meta, at
    from ledger.events;
