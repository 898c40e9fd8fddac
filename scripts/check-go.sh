#!/bin/bash
# Ends with one sentence if there is no Go that can build this: the version that
# go.mod names, or a newer one, or Go 1.21 or newer, which fetches that version.
set -euo pipefail
cd "$(dirname "$0")/.."

die() {
	echo "check-go: $*" >&2
	exit 1
}

# at_least compares versions.
at_least() { printf '%s\n' "$2" "$1" | sort -CV; }

wanted=$(awk '$1 == "go" { print $2; exit }' go.mod)
advice="install Go 1.21 or newer, which fetches Go $wanted by itself (README.md says where from)"
command -v go >/dev/null || die "there is no go in PATH: $advice"

# Outside of the module Go says its own version, whatever go.mod names.
text=$(cd / && GOTOOLCHAIN=local go version) || die "'go version' does not work: $advice"
[[ $text =~ go([0-9]+(\.[0-9]+)*) ]] || die "'go version' says '$text', which names no version"
have=${BASH_REMATCH[1]}
at_least "$have" "$wanted" && exit
at_least "$have" 1.21 || die "Go $have is too old: $advice"

# Inside of it this fetches what go.mod names, unless it is there already.
got=$(go env GOVERSION) && at_least "${got#go}" "$wanted" && exit
mode=$(cd / && go env GOTOOLCHAIN)
[[ $mode == *auto* ]] ||
	die "Go $have is older than the $wanted that go.mod names, and GOTOOLCHAIN=$mode keeps it from fetching that: run 'export GOTOOLCHAIN=auto', or install Go $wanted"
die "Go $have cannot fetch Go $wanted, which go.mod names: see above"
