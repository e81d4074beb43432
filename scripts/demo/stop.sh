#!/bin/bash
# Ends what the demo left running. `make demo-stop` runs it; it does nothing when nothing runs.
set -euo pipefail
cd "$(dirname "$0")/../.."

# stop NAME PROGRAM ends the process of a pid file, if it still is that program.
stop() {
	local file=.demo/$1.pid pid tries
	[ -f "$file" ] || return 0
	pid=$(<"$file")
	if [ "$(readlink "/proc/$pid/exe" 2>/dev/null | sed 's/ (deleted)$//')" = "$PWD/$2" ]; then
		echo "stopping $1 (process $pid)"
		kill -TERM "$pid"
		for ((tries = 0; tries < 600; tries++)); do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.1
		done
		if kill -0 "$pid" 2>/dev/null; then
			echo "demo-stop: $1 (process $pid) does not end within 60 s; its log is .demo/log/$1.log" >&2
			return 1
		fi
	fi
	rm -f "$file"
}

stop moromid bin/moromid
stop distgit .demo/bin/distgit
