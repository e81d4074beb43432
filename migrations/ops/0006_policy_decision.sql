-- What hub policies decided, kept for a while: how it came about, and what a changed policy would have made of it.
create table ops.policy_decision (
	id bigint generated always as identity primary key,
	time timestamptz not null,
	event bigint not null,          -- where the read models were
	user_id bigint,                 -- who asked; null for the system
	policy text not null,
	version bigint not null,        -- of the policy; 0 for a default
	rule text not null,             -- its number, empty if none held
	because text not null,          -- its text
	action text,                    -- null if no rule held
	allowed boolean,                -- null where the action is no verdict
	data json,                      -- what the policy was told; null if it was too much to keep
	facts json                      -- what it asked about the site, with the answers
);
create index policy_decision_by_time on ops.policy_decision (time);
create index policy_decision_by_policy on ops.policy_decision (policy, id);
