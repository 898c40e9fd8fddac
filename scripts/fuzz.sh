#!/bin/bash
# usage: FUZZTIME=30s fuzz.sh PACKAGE...
#
# Runs every fuzz target of the packages for FUZZTIME each. A crash fails the
# run; Go has then put the input below the package's testdata/fuzz.
set -euo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# fuzz runs one target. Go before 1.27 sometimes reports the end of the time it
# was given as a failure of the target (golang/go#75804): "context deadline
# exceeded" is then all it says, and there is no input.
fuzz() {
	go test -run '^$' -fuzz "^$2\$" -fuzztime "$FUZZTIME" -fuzzminimizetime 10x "$1" </dev/null 2>&1 | tee "$log" && return
	[ "$(sed -n '/^--- FAIL/,/^FAIL$/p' "$log" | sed '1d;$d')" = '    context deadline exceeded' ]
}

targets=$(go test -json -list '^Fuzz' "$@" |
	jq -r 'select(.Action == "output" and (.Output | startswith("Fuzz"))) | "\(.Package) \(.Output)"' |
	sed '/^$/d')
passed=0 failed=()
while read -r package target; do
	[ -n "$target" ] || continue
	echo "fuzz: $package $target for $FUZZTIME" >&2
	if fuzz "$package" "$target"; then
		passed=$((passed + 1))
	else
		failed+=("$package.$target")
	fi
done <<<"$targets"

echo "fuzz: $passed targets ran clean, ${#failed[@]} failed${failed[*]:+: ${failed[*]}}"
[ ${#failed[@]} = 0 ]
