#!/bin/bash
# usage: setup.sh [demo|test|race|lint|bench]...
#
# Installs what these targets of the Makefile need, or what all of them do, and
# nothing that is there already: Debian packages by name, QEMU (see qemu.sh) and
# mkcomposefs (see sid-composefs.sh) beside the system, and golangci-lint. It prints
# a line for each step, and what it changes of the system besides; all else goes to
# build/log/setup.log.
set -euo pipefail
cd "$(dirname "$0")/.."

# The Debian packages of each target.
foreign='ca-certificates debian-archive-keyring gpg mmdebstrap' # unpacks other releases of Debian
machines="$foreign buildah e2fsprogs fdisk qemu-utils"          # builds images, installs them, makes disks
peers='ostree podman skopeo umoci'                              # of the bench, and oracles of the tests
declare -A packages=(
	[demo]=$machines
	[test]="$machines $peers
		acl attr binutils erofs-utils fsverity git jq libcap2-bin patch pigz python3-jsonschema rpm selinux-utils sqlite3 zstd
		btrfs-progs dosfstools grub-common grub-efi-amd64-bin grub-pc-bin mtools swtpm systemd systemd-boot xfsprogs
		cpio fish groff-base zsh"
	[lint]='ca-certificates git make shellcheck'
	[bench]="$foreign $peers git"
)
packages[race]="${packages[test]} gcc libc6-dev"

log=build/log/setup.log
begun= # whether the log is this run's

say() { echo "setup: $*" >&2; }

die() {
	say "$*"
	exit 1
}

# step TEXT COMMAND... runs the command and says how long it took.
step() {
	local text=$1 start=$SECONDS
	shift
	if [ -z "$begun" ]; then
		{ mkdir -p build/log && : >"$log"; } 2>/dev/null || die "cannot write $log, and there is something to install (run 'make setup' as root)"
		begun=yes
	fi
	printf 'setup: %s ... ' "$text" >&2
	echo "setup: $text" >>"$log"
	if "$@" >>"$log" 2>&1 </dev/null 9<&-; then
		echo "$((SECONDS - start)) s" >&2
		return
	fi
	echo "failed after $((SECONDS - start)) s" >&2
	return 1
}

# fail ends the run with the end of the log.
fail() {
	tail -n 15 "$log" | sed 's/^/    /' >&2
	die "these are the last lines of $log"
}

# must is step for what has to succeed.
must() { step "$@" || fail; }

# try runs a command up to three times: mirrors have bad moments.
try() {
	local i
	for i in 1 2 3; do
		"$@" && return
		say "attempt $i of '$*' ended with an error"
		sleep $((i * 3))
	done
	return 1
}

# missing prints those of the arguments that are not installed.
missing() {
	local installed
	installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
		awk '$2 == "installed" { print $1 }') || true
	comm -13 <(sort -u <<<"$installed") <(printf '%s\n' "$@" | sort -u)
}

apt() {
	DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"
}

# update refreshes apt's lists. One broken source among several is no reason to
# stop: whether the lists suffice shows when packages are installed.
update() {
	try apt update || say "apt-get update failed; continuing with the old lists"
}

# simulate prints what apt would do to install the arguments, and why.
simulate() { apt-get install -s --no-install-recommends -o Debug::pkgDepCache::AutoInstall=1 "$@" 2>&1; }

# upgrades reads what simulate printed for the arguments, and prints the installed
# packages that would be others then, with those of the arguments that they are for.
upgrades() {
	awk -v asked=" $* " '
		function name(s) { sub(/:.*/, "", s); return s }
		$1 ~ /^(Installing|Upgrading)$/ && / (of|due to) [^ ]+$/ && !(name($2) in by) { by[name($2)] = name($NF) }
		$1 == "Inst" && $3 ~ /^\[/ {
			for (top = name($2); top in by && !index(asked, " " top " ") && n[$2]++ < 99; ) top = by[top]
			if (!(top in list)) tops[++count] = top
			list[top] = list[top] name($2) " "
		}
		END {
			for (i = 1; i <= count; i++) {
				top = tops[i]
				printf("%s%s%s", (i > 1 ? ", " : ""), list[top], (index(asked, " " top " ") ? "(for " top ")" : ""))
			}
		}'
}

# enabled prints the units that are enabled, by the links that say so to systemd.
enabled() {
	{ find /etc/systemd/system -type l -printf '%f\n' 2>/dev/null || :; } | sort -u
}

# tell_enabled says which units are enabled now that were not before.
tell_enabled() {
	local new
	new=$(comm -13 <(echo "$1") <(enabled) | paste -sd ' ')
	[ -z "$new" ] || say "Debian's packages enabled units; to undo that: systemctl disable --now $new"
}

install_packages() {
	local before failed=
	[ "$(id -u)" = 0 ] ||
		die "these Debian packages are missing, and only root can install them: $* (run 'make setup' as root)"
	before=$(enabled)
	simulate "$@" >/dev/null || step "reading apt's package lists" update
	attempt apt_install "$@" || {
		step "reading apt's package lists again: they may be older than the mirror" update
		attempt 'try apt_install' "$@" || failed=yes
	}
	tell_enabled "$before"
	[ -z "$failed" ] || fail
}

# attempt COMMAND PACKAGE... says what the command will do and runs it. The time is
# what a fast mirror takes.
attempt() {
	local command=$1 plan count old
	shift
	plan=$(simulate "$@") || true # its errors show below
	old=$(upgrades "$@" <<<"$plan")
	[ -z "$old" ] || say "this upgrades packages that are installed: $old"
	count=$(grep -c '^Inst' <<<"$plan") || true
	step "installing $count Debian packages, of which $# were asked for, about $((5 + count / 6)) s" $command "$@"
}

apt_install() { apt install -y --no-remove --no-install-recommends "$@"; }

linter=golangci-lint-${GOLANGCI_LINT_VERSION-}/golangci-lint # below build/tools

build_linter() {
	GOBIN=$PWD/build/tools/${linter%/*} GOFLAGS=-trimpath try go install -ldflags '-s -w' \
		"github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$GOLANGCI_LINT_VERSION"
}

targets=" ${*:-demo test race lint bench} "

# wants tells whether one of the arguments is a target of this run.
wants() {
	local t
	for t in "$@"; do
		[[ $targets != *" $t "* ]] || return 0
	done
	return 1
}

needed=
for t in $targets; do
	[ -n "${packages[$t]-}" ] || {
		say "there is no set-up for '$t', only for: $(printf '%s\n' "${!packages[@]}" | sort | paste -sd ' ')"
		exit 2
	}
	needed+=" ${packages[$t]}"
done
command -v dpkg-query >/dev/null || die "this system is not Debian: install by hand what scripts/setup.sh names"
scripts/check-go.sh

mkdir -p build/tools/bin
exec 9<build/tools
flock -n 9 || {
	say "waiting: another set-up is running"
	flock 9
}

# shellcheck disable=SC2086 # they are words
mapfile -t todo < <(missing $needed)
[ ${#todo[@]} = 0 ] || install_packages "${todo[@]}"

# Images are built from the mirror that apt's lists name, and QEMU comes from there.
if wants demo test race bench && ! compgen -G '/var/lib/apt/lists/*Release' >/dev/null; then
	must "reading apt's package lists" update
fi
if wants test race bench; then
	scripts/sid-composefs.sh build/tools have ||
		must "unpacking mkcomposefs from Debian sid beside the system, about 10 s" scripts/sid-composefs.sh build/tools
fi
if wants demo test race; then
	scripts/qemu.sh build/tools have ||
		must "unpacking QEMU from Debian trixie beside the system, about 20 s" scripts/qemu.sh build/tools
fi
if wants lint; then
	: "${GOLANGCI_LINT_VERSION:?is set in the Makefile}"
	[ -x "build/tools/$linter" ] ||
		must "building golangci-lint $GOLANGCI_LINT_VERSION, which only 'make lint' needs, two or three minutes" build_linter
	[ "$(readlink build/tools/bin/golangci-lint)" = "../$linter" ] || ln -sfn "../$linter" build/tools/bin/golangci-lint
fi
