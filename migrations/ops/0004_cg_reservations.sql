-- Builds that content generators have reserved. The token itself is never stored, only its SHA-256: whoever reads this table cannot use it.
create table ops.cg_reservations (
    build_id   bigint      primary key,
    token_hash bytea       not null check (length(token_hash) = 32),
    created    timestamptz not null default now()
);
