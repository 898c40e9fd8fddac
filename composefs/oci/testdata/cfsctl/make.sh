#!/bin/sh
# Makes the files of this directory anew with composefs-rs's cfsctl (in $PATH, or
# in $CFSCTL); see README.md.
set -eu
export LC_ALL=C
cfsctl=${CFSCTL:-cfsctl}
here=$(cd "$(dirname "$0")" && pwd)
images=$here/../../../../pull/testdata/images
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

blob() { # FILE: stores it, prints its digest
	d=$(sha256sum "$1" | cut -d' ' -f1)
	cp "$1" "$work/artifact/blobs/sha256/$d"
	echo "sha256:$d"
}
mkdir -p "$work/artifact/blobs/sha256"
printf '{}' >"$work/empty"
printf 'not a tar\n' >"$work/note"
yes blob | head -c 3000 >"$work/big"
empty=$(blob "$work/empty") note=$(blob "$work/note") big=$(blob "$work/big")
cat >"$work/manifest" <<X
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"text/plain","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"$empty","size":2},"layers":[{"mediaType":"text/plain","digest":"$note","size":10},{"mediaType":"text/plain","digest":"$big","size":3000}]}
X
manifest=$(blob "$work/manifest")
printf '{"imageLayoutVersion":"1.0.0"}' >"$work/artifact/oci-layout"
cat >"$work/artifact/index.json" <<X
{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"$manifest","size":$(stat -c %s "$work/manifest"),"platform":{"architecture":"amd64","os":"linux"},"annotations":{"org.opencontainers.image.ref.name":"latest"}}]}
X

cfs() { "$cfsctl" --repo "$work/repo" "$@"; }
cfs init --insecure >/dev/null
cfs oci pull --bootable "oci:$images/selinux:latest" registry.example/os/image:44 >/dev/null
cfs oci pull "oci:$images/bootable:latest" '100%/x' >/dev/null
cfs oci pull "oci:$work/artifact:latest" note >/dev/null
cfs gc >/dev/null

layer=$(cd "$work/repo/streams" && ls -d oci-layer-* | head -n 1)
cfs oci images --json >"$here/images.json"
cfs oci inspect registry.example/os/image:44 >"$here/inspect-image.json"
cfs oci inspect '100%/x' >"$here/inspect-plain.json"
cfs oci inspect note >"$here/inspect-artifact.json"
cfs oci fsck --json >"$here/fsck.json"
cfs oci fsck >"$here/fsck.txt"
for id in $(grep -ho 'sha256:[0-9a-f]*' "$here/inspect-image.json" | sort -u); do
	if [ -e "$work/repo/streams/oci-layer-$id" ]; then
		cfs oci layer --json "$id" >"$here/layer-${id#sha256:}.json"
	fi
done
tar -C "$work" --sort=name --numeric-owner --mtime=@0 -cf - repo | gzip -9n >"$here/repo.tar.gz"
