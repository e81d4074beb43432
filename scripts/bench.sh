#!/bin/bash
# Runs the benchmarks behind the figures that `figures` lists, and prints one line a figure: name value unit.
#
#   scripts/bench.sh [WORD]       only the figures whose name matches WORD, a regular expression
#
# The benchmarks' own output goes to standard error. A figure that its benchmark did not report is an error.
# PostgreSQL writes to the disk of the checkout before it answers, as it does at a site; MOROMI_TEST_POSTGRES names another server.
set -euo pipefail
cd "$(dirname "$0")/.."
word=${1:-.}
mkdir -p .cache
work=$(mktemp -d "$PWD/.cache/bench.XXXXXX")
server=
finish() {
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null || true
		wait "$server" || true
	fi
	rm -rf "$work"
}
trap finish EXIT

awk -v word="$word" '!/^#/ && NF && $1 ~ word' scripts/figures >"$work/wanted"
[ -s "$work/wanted" ] || { echo "bench: no figure's name matches $word; scripts/figures lists them" >&2; exit 2; }

# The benchmarks' directories are on the same disk: /tmp may be memory.
export TMPDIR=$work/tmp
mkdir "$TMPDIR"
if [ -z "${MOROMI_TEST_POSTGRES:-}" ]; then
	go build -o "$work/postgres" ./scripts/postgres
	mkfifo "$work/url"
	"$work/postgres" "$work/server" >"$work/url" &
	server=$!
	read -r MOROMI_TEST_POSTGRES <"$work/url" || { echo "bench: PostgreSQL did not start" >&2; exit 1; }
	export MOROMI_TEST_POSTGRES
fi

# The benchmarks of the big site share one: to make it takes minutes.
export MOROMI_BENCH_SITE=${MOROMI_BENCH_SITE:-$work/site}

# A build needs a distribution with a compiler, which a machine need not have.
if [ -z "${MOROMI_TEST_REPO:-}" ] && grep -q BenchmarkBuildC "$work/wanted"; then
	echo "bench: build_c_overhead_p50 is left out: MOROMI_TEST_REPO names no repository with gcc" >&2
	sed -i /BenchmarkBuildC/d "$work/wanted"
fi

status=0
# One run for each benchmark: go test takes a pattern for each level of a benchmark's name.
while read -r package benchmark; do
	pattern=$(sed 's/[^/]*/^&$/g' <<<"$benchmark")
	go test -run '^$' -bench "$pattern" -timeout 2h "$package" | tee "$work/output" >&2 || status=1
	awk -v package="$package" -v benchmark="$benchmark" '
		NR == FNR {
			name = $1
			sub(/-[0-9]+$/, "", name)
			for (i = 3; i < NF; i += 2) metric[name, $(i + 1)] = $i
			next
		}
		$3 == package && $4 == benchmark {
			if (($4, $5) in metric) printf "%s %.6g %s\n", $1, metric[$4, $5] * $6, $2
			else { printf "bench: %s did not report %s of %s\n", $4, $5, $1 >"/dev/stderr"; missing = 1 }
		}
		END {exit missing}' "$work/output" "$work/wanted" || status=1
done < <(awk '{print $3, $4}' "$work/wanted" | sort -u)
exit "$status"
