#!/bin/bash
# usage: FUZZTIME=30s fuzz.sh PACKAGE...
#
# Runs every fuzz target of the packages for FUZZTIME each. A crash fails the
# run; Go has then put the input below the package's testdata/fuzz.
set -euo pipefail
cd "$(dirname "$0")/.."

targets=$(go test -json -list '^Fuzz' "$@" |
	jq -r 'select(.Action == "output" and (.Output | startswith("Fuzz"))) | "\(.Package) \(.Output)"' |
	sed '/^$/d')
passed=0 failed=()
while read -r package target; do
	[ -n "$target" ] || continue
	echo "fuzz: $package $target for $FUZZTIME" >&2
	if go test -run '^$' -fuzz "^$target\$" -fuzztime "$FUZZTIME" -fuzzminimizetime 10x "$package" </dev/null; then
		passed=$((passed + 1))
	else
		failed+=("$package.$target")
	fi
done <<<"$targets"

echo "fuzz: $passed targets ran clean, ${#failed[@]} failed${failed[*]:+: ${failed[*]}}"
[ ${#failed[@]} = 0 ]
