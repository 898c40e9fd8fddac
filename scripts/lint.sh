#!/bin/bash
# What "make lint" runs: every check goes to its end, so that one run shows all
# that is wrong.
set -euo pipefail
cd "$(dirname "$0")/.."
linter=$BOOTC_TOOLS/bin/golangci-lint
failed=()

# check runs one named check and remembers its failure.
check() {
	local name=$1 start=$SECONDS
	shift
	"$@" || failed+=("$name")
	echo "lint: $name took $((SECONDS - start)) s" >&2
}

# state is what of the work tree differs from the last commit.
state() { git status --porcelain && git diff; }

# generated compares the work tree before and after generating: in a clean clone
# that is "git diff --exit-code", in a dirty one it sees only what changed now.
generated() {
	local before after
	before=$(state)
	make -s generate
	after=$(state)
	[ "$before" = "$after" ] && return
	echo "lint: generated files are not up to date: run 'make generate' and commit" >&2
	diff <(echo "$before") <(echo "$after") | head -n 40 >&2
	return 1
}

scripts_ok() {
	local files
	mapfile -t files < <(git ls-files 'scripts/*.sh' .ci/run systemd/destructive-cleanup 'initramfs/*/module-setup.sh' 'initramfs/initramfs-tools/')
	shellcheck -S warning "${files[@]}"
}

# fragments checks the first line of each changelog fragment.
fragments() {
	local f bad=0
	for f in changelog/unreleased/*; do
		[ -e "$f" ] || continue
		head -n 1 "$f" | grep -qE '^(Bugfix|Change|Enhancement|Security): [A-Z`].*[^.]$' && continue
		echo "lint: $f: the first line must read 'Enhancement: Sentence without full stop'" >&2
		bad=1
	done
	return $bad
}

# links checks that what the documentation points to in this repository is there.
links() {
	local file target bad=0
	while IFS=: read -r file target; do
		target=${target#](}
		target=${target%)}
		[ -e "$(dirname "$file")/$target" ] && continue
		echo "lint: $file points to $target, which is not there" >&2
		bad=1
	done < <(git ls-files -z '*.md' | xargs -0 grep -HoE '\]\([^):#[:space:]]+\)')
	return $bad
}

# compatibility checks that the tests that docs/reference/compatibility.md names are
# there, and that no row says more than a test shows.
compatibility() {
	local page=docs/reference/compatibility.md test dir name bad=0
	while read -r test; do
		name=${test#*.} dir=${test%%.*}
		case $test in
		*.txtar) [ -e "cmd/bootc/testdata/$test" ] && continue ;;
		*) git ls-files -z "$dir/*_test.go" "*/$dir/*_test.go" | xargs -0 grep -qs "^func $name(" && continue ;;
		esac
		echo "lint: $page names the test $test, which is not there" >&2
		bad=1
	done < <(grep -oE '`([a-z0-9-]+\.Test[A-Za-z0-9]+|[a-z0-9_]+\.txtar)`' "$page" | tr -d '`' | sort -u)
	if grep -E '^\|.*\| (same|better) \|.*\| *\|$' "$page" >&2; then
		echo "lint: $page has rows without a test" >&2
		bad=1
	fi
	return $bad
}

check golangci-lint "$linter" run --allow-parallel-runners
check vet go vet ./...
check modules go mod tidy -diff
check import-diagram scripts/lint-selftest.sh
check generate generated
check shell scripts_ok
check changelog fragments
check links links
check compatibility compatibility

[ ${#failed[@]} = 0 ] && exit
echo "lint: failed: ${failed[*]}" >&2
exit 1
