#!/bin/bash
# Runs a program where kojid finds what it expects at fixed places: /usr/bin/mock is the stand-in, Python is python2, too, /etc/mock/koji and /var/log
# can be written, and the group mock exists. All of it only in a mount namespace of its own; the machine stays as it is.
#
#   enter.sh DIR PROGRAM…      DIR is a directory of the caller's, for those places
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1:-}" != --inside ]; then
	exec unshare --mount --propagation private "$here/enter.sh" --inside "$@"
fi
mkdir -p "$2"
dir=$(cd "$2" && pwd)
shift 2
mkdir -p "$dir"/over/{usr/bin,etc/mock/koji} "$dir"/{mock-config,log}
cp "$here/mock" "$dir/over/usr/bin/mock"
ln -sf python3 "$dir/over/usr/bin/python2" # the first line of kojid, which starts itself anew
{ cat /etc/group; grep -q '^mock:' /etc/group || echo 'mock:x:59135:'; } >"$dir/over/etc/group"
mount -t overlay overlay -o "lowerdir=$dir/over/usr:/usr" /usr
mount -t overlay overlay -o "lowerdir=$dir/over/etc:/etc" /etc
mount --bind "$dir/mock-config" /etc/mock/koji
mount --bind "$dir/log" /var/log
export PYTHONPATH=$here/kojid-python:${PYTHONPATH:-}
exec "$@"
