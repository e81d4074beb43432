-- Kerberos authenticators that logged somebody in, so that none does so twice at any of the site's hubs. A row is needed for as long as its
-- authenticator's time is near enough to the clock, some minutes.
create table ops.kerberos_replay (
	digest bytea primary key check (length(digest) = 32), -- SHA-256 of the encrypted authenticator
	until timestamptz not null
);
create index kerberos_replay_until on ops.kerberos_replay (until);
