# How the demo talks to the hub; sourced by demo.sh. Everything goes through the client and the hub's API.

# write_client_config FILE USER PASSWORD makes a configuration of the client, readable by its owner only.
write_client_config() {
	(
		umask 077
		cat >"$1" <<-CONF
			[koji]
			server = $web/kojihub
			weburl = $web
			topurl = $web/kojifiles
			authtype = password
			user = $2
			password = $3
			poll_interval = 1
		CONF
	)
}

# moromi COMMAND… runs the client as the administrator, packager COMMAND… as the packager.
moromi() { bin/moromi --config "$demo/admin.conf" "$@"; }
packager() { bin/moromi --config "$demo/packager.conf" "$@"; }

# task_id reads the client's output of a submitted task and prints the task's id.
task_id() { sed -n 's/^Created task: \([0-9]*\)$/\1/p' | head -n 1; }

# last_event prints the ledger's position, which is Koji's event id.
last_event() { moromi call --json-output getLastEvent | sed -n 's/.*"id": *\([0-9]*\).*/\1/p'; }

# revision PACKAGE [BRANCH] prints the commit that a package is built from.
revision() { git -C "$demo/distgit/rpms/$1.git" rev-parse "${2:-main}"; }

# source_of PACKAGE [BRANCH] prints the address that a package is built from.
source_of() { echo "git+$distgit/rpms/$1.git#$(revision "$@")"; }

# launch NAME COMMAND… starts a process that outlives the demo, with a log and a pid file of that name. It must not keep
# the demo's own output open, for which whoever reads that would wait.
launch() {
	local name=$1
	shift
	setsid "$@" </dev/null >"$demo/log/$name.log" 2>&1 3>&- 4>&- &
	echo $! >"$demo/$name.pid"
}

# free_port FROM prints the first port from FROM on that nobody listens on.
free_port() {
	local port
	for ((port = $1; port < $1 + 100; port++)); do
		if ! (exec 9<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
			echo "$port"
			return
		fi
	done
	die "no free port between $1 and $((port - 1))"
}

# wait_for_url URL NAME waits until the address answers 200, and fails when the process that was launched so ends before.
wait_for_url() {
	local tries
	for ((tries = 0; tries < 600; tries++)); do
		curl -fs -o /dev/null "$1" 2>/dev/null && return
		kill -0 "$(<"$demo/$2.pid")" 2>/dev/null || die "$2 has ended; its log is .demo/log/$2.log"
		sleep 0.1
	done
	die "$1 does not answer after 60 s"
}
