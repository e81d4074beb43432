# Build real software from git: GNU hello 2.10 and Lua 5.4
distgit=http://127.0.0.1:$(free_port 8180)
"$here/make-distgit.sh" "$cache" "$demo/distgit" "$distgit"
launch distgit "$demo/bin/distgit" -root "$demo/distgit" -listen "${distgit#http://}"
wait_for_url "$distgit/rpms/lua.git/HEAD" distgit

say "First the smallest: one C file. Source package in one fresh buildroot, binary package in another."
before_builds=$(last_event)
show packager build --wait demo "$(source_of greet)"

say "Then both at once; between the tasks' states stand lines of hello's logs, as they come (|)."
hello_task=$(packager build --nowait demo "$(source_of hello)" | task_id)
lua_task=$(packager build --nowait demo "$(source_of lua)" | task_id)
packager watch-logs --follow "$hello_task" 2>&1 | tee "$demo/log/hello-stream.log" |
	{ grep --line-buffered -E '^(Executing\(|checking for gcc|make .*all|PASS|Wrote|Finish)' || true; } | sed -u 's/^/        | /' &
stream=$!
show packager watch-task "$hello_task" "$lua_task"
wait "$stream" || die "the log stream broke; what came is in .demo/log/hello-stream.log"
say "$(wc -l <"$demo/log/hello-stream.log") lines of log came while it ran."
