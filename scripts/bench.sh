#!/bin/bash
# Runs the benchmarks behind the figures that `figures` lists, and prints one line a figure: name value unit.
#
#   scripts/bench.sh [WORD]       only the figures whose name matches WORD, a regular expression
#
# The benchmarks' own output goes to standard error. A figure that its benchmark did not report is an error.
set -euo pipefail
cd "$(dirname "$0")/.."
word=${1:-.}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

awk -v word="$word" '!/^#/ && NF && $1 ~ word' scripts/figures >"$work/wanted"
[ -s "$work/wanted" ] || { echo "bench: no figure's name matches $word; scripts/figures lists them" >&2; exit 2; }

status=0
while read -r package; do
	# One run for all the figures of a package: go test takes a pattern for each level of a benchmark's name.
	top=$(awk -v package="$package" '$3 == package {split($4, part, "/"); print part[1]}' "$work/wanted" | sort -u | paste -sd '|')
	go test -run '^$' -bench "^($top)\$" -timeout 2h "$package" | tee "$work/output" >&2 || status=1
	awk -v package="$package" '
		NR == FNR {
			name = $1
			sub(/-[0-9]+$/, "", name)
			for (i = 3; i < NF; i += 2) metric[name, $(i + 1)] = $i
			next
		}
		$3 == package {
			if (($4, $5) in metric) printf "%s %.6g %s\n", $1, metric[$4, $5] * $6, $2
			else { printf "bench: %s did not report %s of %s\n", $4, $5, $1 >"/dev/stderr"; missing = 1 }
		}
		END {exit missing}' "$work/output" "$work/wanted" || status=1
done < <(awk '{print $3}' "$work/wanted" | sort -u)
exit "$status"
