#!/bin/bash
# usage: FUZZTIME=30s fuzz.sh PACKAGE...
#
# Runs every fuzz target of the packages for FUZZTIME each. Packages run side by side, one for
# each processor, while the next ones are built; the targets of a package run one after the
# other. A crash fails the run; Go has then put the input below the package's
# testdata/fuzz, and its output is shown.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export scratch FUZZTIME

# clean reports whether a target ran clean, from its exit status and its output. Go before
# 1.27 sometimes reports the end of the time it was given as a failure of the target
# (golang/go#75804): "context deadline exceeded" is then all it says, and there is no input.
clean() {
	[ "$1" = 0 ] || [ "$(sed -n '/^--- FAIL/,/^FAIL$/p' "$2" | sed '1d;$d')" = '    context deadline exceeded' ]
}

# build PACKAGE PROGRAM builds a package's tests so that inputs that reach new code are found.
build() {
	go test -c -vet=off -fuzz=. -o "$2" "$1" || {
		echo "FAIL $1 does not build" >>"$scratch/results"
		return 1
	}
}

# fuzz PACKAGE DIRECTORY PROGRAM runs a package's targets one by one.
fuzz() {
	local name=${1//\//_} dir=$2 program=$3 targets target out status cache
	cache=$(go env GOCACHE)/fuzz/$1
	targets=$(cd "$dir" && "$program" -test.list '^Fuzz' | grep '^Fuzz') || {
		echo "FAIL $1 does not list its targets" >>"$scratch/results"
		return
	}
	for target in $targets; do
		out=$scratch/$name.$target status=0
		try "$FUZZTIME" || status=$?
		# Old inputs come first, and may take all of a second or two.
		if [ "$status" = 0 ] && [[ $FUZZTIME =~ ^[1-5]s$ ]] && tail -n 2 "$out" | grep -q 'gathering baseline'; then
			try "$((6 * ${FUZZTIME%s}))s" || status=$?
		fi
		if clean "$status" "$out"; then
			echo "ok $1 $target: $(tail -n 2 "$out" | sed -n 's/^fuzz: //p')"
			echo "ok $1 $target" >>"$scratch/results"
		else
			cat "$out"
			echo "FAIL $1 $target" >>"$scratch/results"
		fi
	done
	rm "$program"
}

# try TIME runs the target that fuzz is at.
try() {
	(cd "$dir" && "$program" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$1" -test.fuzzminimizetime 10x \
		-test.parallel 1 -test.fuzzcachedir "$cache") </dev/null >"$out" 2>&1
}
export -f fuzz try clean

: >"$scratch/results"
go list -f '{{.ImportPath}} {{.Dir}}' "$@" | while read -r package dir; do
	grep -qs '^func Fuzz' "$dir"/*_test.go || continue
	program=$scratch/${package//\//_}.test
	if build "$package" "$program"; then
		printf '%s\0' "$package" "$dir" "$program"
	fi
done | xargs -0 -r -P "$(nproc)" -n 3 bash -c 'fuzz "$@"' fuzz >&2

grep '^FAIL' "$scratch/results" >&2 || :
failed=$(grep -c '^FAIL' "$scratch/results" || :)
passed=$(grep -c '^ok' "$scratch/results" || :)
echo "fuzz: $passed targets ran clean, $failed failed"
[ "$passed$failed" != 00 ] || echo "fuzz: these packages have no fuzz target: $*" >&2
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
