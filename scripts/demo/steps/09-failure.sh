# See what a failure looks like: Lua with readline asked for, which is not there
want='cannot find -lreadline'
status=0
failed_task=$(packager build --nowait demo "$(source_of lua readline)" | task_id)
show packager watch-task "$failed_task" || status=$?
[ "$status" != 0 ] || die "the build was to fail and did not"

# has PLACE requires the line in what it reads.
has() {
	grep -F -- "$want" >/dev/null || die "\"$want\" is not in $1"
	say "\"$want\" is in $1."
}
{ moromi call getTaskResult "$failed_task" 2>&1 || true; } | has "the task's result"
curl -fsS "$web/task/$failed_task" | has "the task's page"
moromi buildinfo lua-5.4.4-2.demo | grep '^State: FAILED' >/dev/null || die "the build is not FAILED"
packager watch-logs --follow "$failed_task" | has "the kept logs"
if moromi list-tagged --quiet demo lua | grep -F 'lua-5.4.4-2' >/dev/null; then die "the failed build is tagged"; fi
say "The build is FAILED and not tagged:"
show moromi list-tagged demo lua
