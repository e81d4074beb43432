#!/bin/bash
# Removes a directory that may have held buildroots: first whatever is still mounted in it, never anything beyond it.
#
#   clear.sh DIR
set -euo pipefail
[ -e "$1" ] || exit 0
dir=$(cd "$1" && pwd)
awk -v dir="$dir/" 'index($5 "/", dir) == 1 {print $5}' /proc/self/mountinfo | sort -r | while read -r mount; do
	umount "$(printf '%b' "$mount")"
done
rm -rf --one-file-system "$dir"
