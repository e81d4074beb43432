# How the demo shows what it does; sourced by demo.sh.

step_number=0
step_total=$(compgen -G "$here/steps/*.sh" | wc -l)
step_title=
step_log=
step_times=()
demo_began=$EPOCHREALTIME

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' plain=$'\e[0m'; else bold= dim= red= plain=; fi

# since TIME prints the seconds from TIME, a value of EPOCHREALTIME, until now.
since() { awk -v from="${1/,/.}" -v to="${EPOCHREALTIME/,/.}" 'BEGIN {printf "%.1f", to - from}'; }

# begin_step FILE prints the step's title and sends everything to the screen and to the step's log.
begin_step() {
	step_number=$((step_number + 1))
	step_title=$(sed -n '1s/^# //p' "$1")
	step_log=$demo/log/$(basename "$1" .sh).log
	step_began=$EPOCHREALTIME
	exec 3>&1 4>&2 > >(tee "$step_log") 2>&1
	tee_pid=$!
	printf '\n%s[%d/%d] %s%s\n' "$bold" "$step_number" "$step_total" "$step_title" "$plain"
}

# end_step takes the output back and notes how long the step took.
end_step() {
	local took
	took=$(since "$step_began")
	step_times+=("$(printf '%6s s  %s' "$took" "$step_title")")
	echo "      ${dim}done in $took s$plain"
	close_log
	step_title=
}

close_log() {
	exec >&3 2>&4 3>&- 4>&-
	wait "$tee_pid" 2>/dev/null || true
}

# say TEXT… says what is done next, and why.
say() { printf '      %s\n' "$*"; }

# show COMMAND… prints a command and runs it.
show() {
	printf '      %s$ %s%s\n' "$dim" "$(shorten "$@")" "$plain"
	"$@" | indent
}

# indent sets output apart, with paths as they are seen from here.
indent() { sed -u "s|$PWD/||g; s/^/        /"; }

# shorten prints a command as a reader would type it.
shorten() {
	local words="$*"
	words=${words/#moromi /moromi }
	echo "${words//$PWD\//}"
}

# die TEXT… ends the demo in this step.
die() {
	echo "      ${red}$*$plain" >&2
	exit 1
}

# finish runs when the demo ends, however it ends.
finish() {
	local status=$?
	trap - EXIT
	set +e
	if [ -n "$step_title" ]; then
		close_log
		printf '\n%sStep %d (%s) failed%s after %s s, with exit status %d.\n' "$red" "$step_number" "$step_title" "$plain" "$(since "$step_began")" "$status" >&2
		printf 'Its output: %s\nThe daemon: %s\n' "${step_log#"$PWD/"}" "${demo#"$PWD/"}/log/moromid.log" >&2
		tail -n 5 "$demo/log/moromid.log" 2>/dev/null | indent >&2
		[ "$status" != 0 ] || status=1
	fi
	if [ -n "${DEMO_EXIT:-}" ]; then
		"$here/stop.sh"
	elif [ -f "$demo/moromid.pid" ]; then
		printf 'It is still running; make demo-stop ends it.\n'
	fi
	exit "$status"
}

# summary prints what each step took and where to go on.
summary() {
	printf '\n%sAll %d steps done in %s s%s\n' "$bold" "$step_total" "$(since "$demo_began")" "$plain"
	printf '  %s\n' "${step_times[@]}"
	printf '\nThe web address is %s%s%s\n' "$bold" "$web" "$plain"
	printf 'Log in as kojiadmin with the password in %s, or use the client: bin/moromi -c %s list-tagged demo\n' \
		"${data#"$PWD/"}/admin.password" "${demo#"$PWD/"}/admin.conf"
}
