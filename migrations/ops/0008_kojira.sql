-- When kojira last called, at any of the site's hubs; one row.
create table ops.kojira (
	id smallint primary key check (id = 1),
	seen timestamptz not null
);
