#!/bin/bash
# The demo: starts a Moromi of its own in ./.demo and lets it do its whole job on real software. `make demo` runs it.
#
# Each file in `steps` is one step, run in order in this shell; its first line is its title. A step's output is shown and
# kept in .demo/log. The first command that fails ends the demo, which then says where to look.
#
# DEMO_EXIT=1   end everything when the demo is over (else `make demo-stop` does)
# DEMO_PORT=N   port of the web address; without it the first free one from 8080 on
# DEMO_CACHE=DIR  where downloads are kept; without it ./.cache
set -euo pipefail
cd "$(dirname "$0")/../.."
here=scripts/demo
demo=$PWD/.demo
cache=${DEMO_CACHE:-$PWD/.cache}
source "$here/show.sh"
source "$here/client.sh"

if [ "$(id -u)" != 0 ] && [ -z "${DEMO_NO_SUDO:-}" ]; then
	# A build host makes buildroots: it mounts, and installs packages into them.
	echo "Builds need root: going on with sudo."
	exec sudo --preserve-env=DEMO_EXIT,DEMO_PORT,DEMO_CACHE,DEBIAN_MIRROR,GOPROXY,GOFLAGS,PATH env HOME=/root "$PWD/$here/demo.sh"
fi

"$here/stop.sh"
"$here/clear.sh" "$demo"
mkdir -p "$demo/log" "$cache"
trap finish EXIT
trap 'exit 130' INT TERM

for file in "$here"/steps/*.sh; do
	begin_step "$file"
	source "$file"
	end_step
done
summary
