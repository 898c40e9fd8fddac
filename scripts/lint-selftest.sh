#!/bin/bash
# Proves that the linter catches what it is there for. In a scratch module with
# this module's path and empty packages it plants every import that the diagram
# forbids, every import that it allows, and one violation for each linter that
# the house style leans on; what golangci-lint finds must be exactly what is
# marked "want". Fails also when a package of the module stands in no level.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
linter=${BOOTC_TOOLS:-$root/build/tools}/bin/golangci-lint
module=$(go list -m)

# package: what it may import of this module, internal/ apart.
declare -A may=(
	[composefs/verity]=''
	[composefs/tree]='composefs/verity'
	[composefs/tree/scan]='composefs/verity composefs/tree'
	[composefs/erofs]='composefs/verity composefs/tree'
	[composefs/repo]='composefs/verity composefs/tree composefs/erofs'
	[composefs/mount]='composefs/verity composefs/tree composefs/erofs'
	[selinux]='composefs/verity composefs/tree'
	[etcmerge]='composefs/verity composefs/tree composefs/tree/scan etcmerge/accounts'
	[etcmerge/accounts]=''
	[image]=''
	[composefs/oci]='composefs/verity composefs/tree composefs/erofs composefs/repo'
	[layers]='composefs/verity composefs/tree composefs/erofs composefs/repo composefs/oci selinux'
	[conform]='layers'
	[kargs]='composefs/verity'
	[kargs/kargsd]='composefs/verity kargs'
	[composefs/treefs]='composefs/verity composefs/tree'
	[osimage]='composefs/verity kargs kargs/kargsd'
	[boundimage]=''
	[host]=''
	[pkgdb]=''
	[health]=''
	[pull]='composefs/verity composefs/tree composefs/erofs composefs/repo composefs/mount composefs/oci selinux image layers'
	[bootloader]='composefs/verity kargs bootloader/bls bootloader/grubcfg'
	[bootloader/bls]=''
	[bootloader/grubcfg]='composefs/verity kargs'
	[setuproot]='composefs/verity composefs/mount kargs'
	[sysroot]='composefs/verity kargs bootloader'
	[deploy]='composefs/verity composefs/tree composefs/tree/scan composefs/treefs composefs/erofs composefs/repo composefs/mount composefs/oci selinux layers image pull etcmerge etcmerge/accounts kargs kargs/kargsd osimage boundimage pkgdb host bootloader'
	[systemd]='selinux'
	[lint]='selinux kargs kargs/kargsd osimage boundimage install/config'
	[seal]='composefs/verity composefs/tree composefs/tree/scan composefs/erofs selinux layers kargs kargs/kargsd osimage'
	[install/config]=''
	[install/plan]=''
	[install/fat]=''
	[install/disk]='install/plan'
	[install]='composefs/verity boundimage image kargs osimage host bootloader deploy install/config install/plan install/disk install/fat setuproot'
)

for dir in $(go list -f '{{.Dir}}' ./... | sed "s|^$root/||"); do
	case $dir in
	internal/* | cmd/* | bench | bench/* | e2e | */*test) continue ;;
	esac
	[ -n "${may[$dir]+known}" ] || {
		echo "lint-selftest: the package $dir stands in no level: add it to .golangci.yml, architecture.md and this script" >&2
		exit 1
	}
done

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cp .golangci.yml "$tmp/"
cd "$tmp"

# stub PATH makes an empty package.
stub() {
	mkdir -p "$1"
	printf '// Package %s is empty.\npackage %s\n' "${1##*/}" "${1##*/}" >"$1/stub.go"
}

for dir in "${!may[@]}" internal/progress internal/testtool cmd/bootc third/cli third/podman; do
	stub "$dir"
done
cat >go.mod <<END
module $module

go 1.26.0

require (
	github.com/urfave/cli/v2 v2.0.0
	go.podman.io/image/v5 v5.0.0
)

replace (
	github.com/urfave/cli/v2 => ./third/cli
	go.podman.io/image/v5 => ./third/podman
)
END
for name in cli:github.com/urfave/cli/v2 podman:go.podman.io/image/v5; do
	printf 'module %s\n\ngo 1.26.0\n' "${name#*:}" >"third/${name%%:*}/go.mod"
done

# A planted package lies below planted/, so that the imports make no cycles, in
# a directory that the patterns of .golangci.yml match all the same.
plant() {
	local from=$1 to
	mkdir -p "planted/$from"
	{
		printf '// Package p is planted.\npackage p\n\nimport (\n'
		for to in "${!may[@]}" cmd/bootc; do
			[ "$to" = "$from" ] && continue
			case " ${may[$from]} " in
			*" $to "*) printf '\t_ "%s"\n' "$module/$to" ;;
			*) printf '\t_ "%s" // want depguard\n' "$module/$to" ;;
			esac
		done
		printf '\t_ "%s"\n' "$module/internal/progress"
		printf '\t_ "%s" // want depguard\n' "$module/internal/testtool" testing github.com/urfave/cli/v2 log math/rand
		if [ "$from" = image ]; then
			printf '\t_ "go.podman.io/image/v5"\n'
		else
			printf '\t_ "go.podman.io/image/v5" // want depguard\n'
		fi
		printf ')\n'
	} >"planted/$from/p.go"
}
for dir in "${!may[@]}"; do
	plant "$dir"
done

mkdir -p planted/pull/style
cat >planted/pull/style/style.go <<'END'
// Package style breaks the house style, once in each way.
package style

import (
	"errors"
	"fmt"
	"io"
	"os"
)

var errOne = errors.New("one")

// Kind is an enumeration.
type Kind int

// The kinds.
const (
	A Kind = iota
	B
)

func Undocumented() {} // want revive

// shout has no full stop at its end // want godot
func shout(b bool) string { // want unparam
	if b {
		return "one"
	}
	return "one"
}

// Violations is the rest.
func Violations(k Kind, v any, r io.Reader) error {
	_ = os.WriteFile("x", nil, 0o600) // want forbidigo
	_ = os.Rename("x", "y")           // want forbidigo
	os.Remove("x")                    // want errcheck
	fmt.Println("x")                  // want forbidigo
	_ = os.Getenv("X")                // want forbidigo
	if v.(int) > 0 {              // want forcetypeassert
		os.Exit(1) // want forbidigo
	}
	switch k { // want exhaustive
	case A:
	}
	_, err := io.ReadAll(r)
	if err == errOne { // want errorlint
		return nil
	}
	if err != nil {
		return nil // want nilerr
	}
	_ = int(len(shout(v == nil))) // want unconvert
	_ = fmt.Sprint("the the")     // want dupword
	return fmt.Errorf("the chain: %v", errOne) // want errorlint
}
END
{
	printf '\n// Long is too long.\nfunc Long(i int) int { // want funlen\n'
	for _ in {1..101}; do printf '\ti += i\n'; done
	printf '\treturn i\n}\n'
} >>planted/pull/style/style.go

"$linter" run --allow-parallel-runners --issues-exit-code 0 --output.json.path stdout --show-stats=false ./planted/... >found.json
jq -r '.Issues[]? | select(.FromLinter != "unused" and .FromLinter != "gofumpt" and .FromLinter != "goimports")
	| "\(.Pos.Filename):\(.Pos.Line) \(.FromLinter)"' found.json | sort >found
grep -rn '// want ' planted | while IFS=: read -r file line text; do
	grep -o 'want [a-z]*' <<<"$text" | sed "s|want |$file:$line |"
done | sort >wanted
if ! diff -u wanted found >differences; then
	echo "lint-selftest: found (+) is not what was planted (-):" >&2
	cat differences >&2
	exit 1
fi
echo "lint-selftest: $(wc -l <wanted) planted violations caught, nothing else complained of"
