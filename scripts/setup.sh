#!/bin/bash
# Installs what the build, the tests and the bench need, and nothing that is
# there already: Debian packages by name, mkcomposefs from Debian sid (unpacked
# beside the system, see sid-composefs.sh), QEMU (see qemu.sh), and
# golangci-lint.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
	# build and race detector
	ca-certificates gcc git libc6-dev make
	# oracles of the tests
	acl attr buildah erofs-utils e2fsprogs fdisk fsverity jq ostree podman
	python3-jsonschema rpm selinux-utils skopeo sqlite3 umoci
	# base image of the tests, sid's tools
	debian-archive-keyring gpg mmdebstrap pigz zstd
	# disks and boot loaders, for bootc install and for the oracles
	btrfs-progs dosfstools grub-common grub-efi-amd64-bin grub-pc-bin mtools
	qemu-utils swtpm systemd-boot xfsprogs
	# initramfs, unified kernel images and completions, for bootc container and completion
	cpio fish groff-base zsh
	# bench and lint
	shellcheck time
)

say() { echo "setup: $*" >&2; }

die() {
	say "$*"
	exit 1
}

# missing prints those of the arguments that are not installed.
missing() {
	local installed
	installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
		awk '$2 == "installed" { print $1 }') || true
	comm -13 <(sort -u <<<"$installed") <(printf '%s\n' "$@" | sort -u)
}

# try runs a command up to three times: mirrors have bad moments.
try() {
	local i
	for i in 1 2 3; do
		"$@" </dev/null && return
		say "attempt $i of '$*' ended with an error"
		sleep $((i * 3))
	done
	return 1
}

apt() {
	DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"
}

# update refreshes apt's lists. One broken source among several is no reason to
# stop: whether the lists suffice shows when packages are installed.
update() {
	try apt update || say "apt-get update was not clean; going on with the lists there are"
}

install_packages() {
	local todo=("$@")
	[ "$(id -u)" = 0 ] ||
		die "these Debian packages are missing, and only root can install them: ${todo[*]} (run 'make setup' as root)"
	say "installing ${todo[*]}"
	if ! apt-get install -s "${todo[@]}" >/dev/null 2>&1; then
		update
	fi
	apt install -y --no-install-recommends "${todo[@]}" </dev/null && return
	update # the lists may be older than the mirror
	try apt install -y --no-install-recommends "${todo[@]}" || die "cannot install ${todo[*]}"
}

install_linter() {
	local version=${GOLANGCI_LINT_VERSION:?is set in the Makefile}
	local dir=build/tools/golangci-lint-$version start=$SECONDS
	if ! [ -x "$dir/golangci-lint" ]; then
		say "building golangci-lint $version"
		GOBIN=$PWD/$dir GOFLAGS=-trimpath try go install -ldflags '-s -w' \
			"github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$version" ||
			die "cannot build golangci-lint $version"
		say "built golangci-lint in $((SECONDS - start)) s"
	fi
	ln -sfn "../golangci-lint-$version/golangci-lint" build/tools/bin/golangci-lint
}

command -v dpkg-query >/dev/null || die "this is no Debian system: install by hand what scripts/setup.sh names"
scripts/check-go.sh

mapfile -t todo < <(missing "${packages[@]}")
[ ${#todo[@]} = 0 ] || install_packages "${todo[@]}"

mkdir -p build/tools/bin
exec 9>build/tools/.lock
flock 9
scripts/sid-composefs.sh build/tools
scripts/qemu.sh build/tools
install_linter
