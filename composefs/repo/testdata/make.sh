#!/bin/sh
# Makes the fixtures in this directory, see README.md.
# usage: make.sh CFSCTL OUTDIR
set -eu
cfsctl=$1 out=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
umask 022

# Two layers: files on both sides of the 64 bytes from which they are objects,
# a hard link, a symbolic link, an empty file, a whiteout.
rm -rf l1 l2; mkdir -p l1/usr/bin l1/usr/lib l1/etc l1/run l1/boot l1/sysroot l2/usr/bin l2/etc
seq 1 2000 >l1/usr/bin/large
printf 'short' >l1/etc/short
printf '%064d' 0 >l1/etc/inline
printf '%065d' 0 >l1/etc/external
: >l1/etc/empty
seq 1 300 >l1/usr/lib/gone
ln l1/usr/bin/large l1/usr/bin/hardlink
ln -s large l1/usr/bin/symlink
seq 1 2001 >l2/usr/bin/larger
: >l2/etc/.wh.short
for l in l1 l2; do
	find $l -exec touch -hd @1700000000 {} +
	tar -C $l --sort=name --owner=0 --group=0 --numeric-owner --mtime=@1700000000 --format=pax \
		--pax-option=delete=atime,delete=ctime -cf $l.tar .
done
umoci init --layout oci
umoci new --image oci:v1
umoci raw add-layer --image oci:v1 --history.created 2023-11-14T22:13:20Z l1.tar
umoci raw add-layer --image oci:v1 --history.created 2023-11-14T22:13:20Z l2.tar

for alg in sha256 sha512; do
	"$cfsctl" init --insecure --algorithm fsverity-$alg-12 repo-$alg
	"$cfsctl" --repo repo-$alg oci pull --bootable oci:oci:v1 localhost/fixture:v1
	"$cfsctl" --repo repo-$alg create-image l1 nested/name
	"$cfsctl" --repo repo-$alg fsck
	tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -C repo-$alg -cf - . | gzip -9n >"$out/cfsctl-$alg.tar.gz"
	"$cfsctl" --repo repo-$alg fsck >"$out/cfsctl-$alg.fsck.txt"
	"$cfsctl" --repo repo-$alg gc >"$out/cfsctl-$alg.gc.txt"
	(cd repo-$alg && find . ! -type d | LC_ALL=C sort) >>"$out/cfsctl-$alg.gc.txt"
done
gzip -9n l1.tar l2.tar && mv l1.tar.gz l2.tar.gz "$out"/
