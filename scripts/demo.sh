#!/bin/bash
# Shows the main job so far, from nothing: build a Debian image, serve it from
# a registry, pull it, mount it, pull its update, go back, and collect garbage.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d "${TMPDIR:-/tmp}/bootc-demo.XXXXXX")
registryd=
cleanup() {
	umount "$work/mnt" 2>/dev/null || true
	[ -z "$registryd" ] || kill "$registryd" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
run() {
	printf '$ %s\n' "${*/"$work"\//}"
	"$@"
}
# cfs is shown by the name that it has once bootc is installed.
cfs() {
	printf '$ bootc internals cfs --repo repo %s\n' "${*/"$work"\//}"
	"$bin" internals cfs --repo "$work/repo" "$@"
}
bin=$PWD/bin/bootc
root=build/cache/demo/rootfs.tar

if [ ! -s "$root" ]; then
	say "Build a small Debian (cached in build/cache/demo)"
	mkdir -p "$(dirname "$root")"
	# shellcheck disable=SC2016 # apt-get expands these
	mirror=$(apt-get indextargets --format '$(REPO_URI) $(LABEL) $(CODENAME)' 'Created-By: Packages' |
		awk '$2 == "Debian" && $3 !~ /-(updates|backports|security)$/ && !seen++ { print $1, $3 }')
	mmdebstrap --quiet --format=tar --mode=root --variant=minbase --include=attr "${mirror#* }" "$root.new" "${mirror% *}"
	mv "$root.new" "$root"
fi

say "Make two versions of an image of it, and serve them from a registry"
mkdir -p "$work/v2/etc" "$work/boot/"{boot,sysroot} "$work/mnt"
echo 'Welcome to version 2.' >"$work/v2/etc/motd"
tar -C "$work/boot" --owner=0 --group=0 --mtime=@0 -cf "$work/boot.tar" ./boot ./sysroot
tar -C "$work/v2" --owner=0 --group=0 --mtime=@0 -cf "$work/v2.tar" ./etc/motd
umoci init --layout "$work/os"
umoci new --image "$work/os:v1"
umoci raw add-layer --image "$work/os:v1" "$root"
umoci raw add-layer --image "$work/os:v1" "$work/boot.tar"
umoci raw add-layer --image "$work/os:v1" --tag v2 "$work/v2.tar"
go build -o build/bench/bench ./bench
coproc REGISTRY { exec build/bench/bench serve "$work"; }
registryd=$REGISTRY_PID
read -r address <&"${REGISTRY[0]}"
image=$address/os

say "Pull version 1 into a new repository"
cfs init --insecure
cfs oci pull --tls-verify=false --bootable "$image:v1" os:v1

say "Mount it: the content comes from objects named by their fs-verity digests"
cfs oci mount os:v1 "$work/mnt"
run cat "$work/mnt/etc/debian_version"
run findmnt -no SOURCE,FSTYPE,OPTIONS "$work/mnt"
run umount "$work/mnt"

say "Pull version 2: only the layer that differs is fetched"
cfs oci pull --tls-verify=false --bootable "$image:v2" os:v2
cfs oci mount os:v2 "$work/mnt"
run cat "$work/mnt/etc/motd"
run umount "$work/mnt"
cfs oci images

say "Pull it again: nothing is fetched, nothing is written"
cfs oci pull --tls-verify=false --bootable "$image:v2" os:v2

say "Go back to version 1, collect what only version 2 needed, and check"
cfs oci untag os:v2
cfs gc
cfs fsck
