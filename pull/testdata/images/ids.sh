#!/bin/sh
# Prints ids.tsv: what composefs-rs's cfsctl 0.9.4 (in $PATH, or in $CFSCTL)
# computes of the images beside this script.
set -eu
cfsctl=${CFSCTL:-cfsctl}
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '# image\talgorithm\terofs version\tbootable\txattrs\tid\n'
row() { # ALGORITHM VERSION IMAGE
	for bootable in '' --bootable; do
		for xattrs in allowlist-only keep-user-xattrs; do
			id=$($cfsctl --repo "$work/$1" --erofs-version "$2" oci compute-id $bootable --xattrs $xattrs "$3")
			printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$3" "$1" "$2" "${bootable:+bootable}" $xattrs "$id"
		done
	done
}
for algorithm in sha256 sha512; do
	$cfsctl init --insecure --algorithm "fsverity-$algorithm-12" "$work/$algorithm" >/dev/null
	for image in everything zstd bootable selinux; do
		$cfsctl --repo "$work/$algorithm" oci pull "oci:$PWD/$image:latest" $image >/dev/null
		row $algorithm 1 $image
	done
	# Of an image with whiteouts cfsctl 0.9.4 makes another version 0 than
	# mkcomposefs does, so "everything" has no such row.
	row $algorithm 0 bootable
	row $algorithm 0 selinux
done
