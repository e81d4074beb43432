#!/bin/bash
# Checks by Koji's own programs that Moromi's hub is a Koji hub for them: kojid, kojira, koji-web, koji-gc, the client and the
# library, taken from a checkout of Koji 1.35. A line for each check; exit status 1 when one fails.
#
#   scripts/koji-programs.sh CHECKOUT [PART…]     parts: populate kojid kojira client library kojigc web
#
# Needs root (mount namespaces for kojid), rpm-build, dnf, git, createrepo_c, unshare, and for Debian's Python: python3-rpm
# python3-dnf python3-librepo python3-createrepo-c python3-cheetah python3-jinja2 python3-requests python3-dateutil.
# KEEP=1 leaves the directory with the logs in place, which a failure does, too. MOROMID names another moromid than bin/moromid.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -f "${1:-}/kojihub/kojihub.py" ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
KOJI=$(cd "$1" && pwd)
shift
here=$PWD/scripts/koji-programs
moromid=${MOROMID:-$PWD/bin/moromid}
[ -x "$moromid" ] || { echo "no $moromid: run make build" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "root is needed" >&2; exit 2; }
WORK=$(mktemp -d)
chmod 755 "$WORK"
TOPDIR=$WORK/site/topdir
hub= failed=0

finish() {
	local status=$?
	[ -z "$hub" ] || { kill "$hub" && wait "$hub"; } 2>/dev/null || true
	if [ "$status" = 0 ] && [ -z "${KEEP:-}" ]; then
		rm -rf --one-file-system "$WORK"
	else
		echo "logs and site are in $WORK"
	fi
}
trap finish EXIT
trap 'exit 130' INT TERM

start_hub() {
	: >"$WORK/hub.log" # there is one to read from the start on
	"$moromid" up --data "$WORK/site" --listen 127.0.0.1:0 --no-builder >>"$WORK/hub.log" 2>&1 &
	hub=$!
	local tries url=
	for ((tries = 0; tries < 600; tries++)); do
		url=$(sed -n 's/.*msg=listening address=\([^ ]*\).*/http:\/\/\1/p' "$WORK/hub.log")
		[ -n "$url" ] && curl -fs -o /dev/null "$url/readyz" && break
		kill -0 "$hub" 2>/dev/null || { cat "$WORK/hub.log" >&2; exit 1; }
		sleep 0.1
	done
	HUB=$url/kojihub FILES=$url/kojifiles
}

user() {
	local verb=$1 name=$2
	shift 2
	echo koji-programs | "$moromid" user "$verb" "$name" --data "$WORK/site" --password-stdin "$@" >>"$WORK/hub.log" 2>&1
}

start_hub
user password kojiadmin
user add packager
user add kojira --perm repo
user add gc --perm admin
export KOJI WORK TOPDIR HUB FILES PYTHONPATH=$KOJI:$here PYTHONDONTWRITEBYTECODE=1
printf '[koji]\nserver = %s\nweburl = %s\ntopurl = %s\ntopdir = %s\nauthtype = password\npoll_interval = 1\n' \
	"$HUB" "${HUB%/kojihub}" "$FILES" "$TOPDIR" >"$WORK/koji.conf"
# The host as an operator makes it: first the host, then its account's password.
/usr/bin/python3 "$KOJI/cli/koji" -c "$WORK/koji.conf" --user kojiadmin --password koji-programs add-host kojid x86_64 >>"$WORK/hub.log"
user password kojid
for part in "${@:-populate kojid kojira client library kojigc web}"; do
	for name in $part; do
		/usr/bin/python3 "$here/$name.py" || failed=1
	done
done
if grep -qi 'panic\|level=ERROR' "$WORK/hub.log"; then
	echo "FAIL hub: errors in its log:"
	grep -i 'panic\|level=ERROR' "$WORK/hub.log" | head -n 20
	failed=1
fi
exit "$failed"
