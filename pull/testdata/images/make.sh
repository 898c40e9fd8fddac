#!/bin/sh
# Makes the images of this directory anew; see README.md. Needs root, GNU tar,
# attr, libcap2-bin, umoci, skopeo.
set -eu
export LC_ALL=C
umask 022
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

bytes() { # COUNT SEED: reproducible content
	yes "$2" | head -c "$1"
}
pack() { # DIR: the layer DIR.tar; mtimes not set by hand become one second
	find "$1" -newermt 2025-01-01 -exec touch -h -d @1700000000 {} +
	tar -C "$1" --sort=name --numeric-owner --xattrs --xattrs-include='*' --format=pax \
		--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime -cf "$1.tar" .
}
image() { # NAME LAYER…
	name=$1; shift
	rm -rf "$name.umoci" "${here:?}/$name"
	umoci init --layout "$name.umoci"
	umoci new --image "$name.umoci:latest"
	for l; do
		umoci raw add-layer --history.created=2023-11-14T22:13:20Z --image "$name.umoci:latest" "$l.tar"
	done
	umoci config --image "$name.umoci:latest" --created 2023-11-14T22:13:20Z --no-history \
		--architecture amd64 --os linux --config.label org.opencontainers.image.version="$name"
	skopeo copy -q "oci:$name.umoci:latest" "oci:$here/$name:latest"
}

# everything: each kind of entry, each kind of replacement.
mkdir -p a/usr/bin a/usr/lib a/usr/share/doc a/etc/conf.d a/etc/gone a/run/lock a/var/tmp a/dev a/boot a/sysroot a/opt/swap
bytes 5000 tool >a/usr/bin/tool; chown 3:4 a/usr/bin/tool; chmod 4755 a/usr/bin/tool
ln a/usr/bin/tool a/usr/bin/tool2
ln -s tool a/usr/bin/t
bytes 64 sixtyfour >a/usr/lib/sixtyfour
bytes 65 sixtyfive >a/usr/lib/sixtyfive
bytes 4096 block >a/usr/lib/block
bytes 300000 large >a/usr/lib/large
: >a/usr/lib/empty
bytes 100 ping >a/usr/bin/ping; setcap cap_net_raw+ep a/usr/bin/ping
setfattr -n user.comment -v hello a/usr/lib/block
setfattr -n security.selinux -v system_u:object_r:old_t:s0 a/usr/lib/block
setfattr -n user.onlink -v dir a/usr/share
long=$(printf 'n%.0s' $(seq 200))
bytes 80 long >"a/usr/share/doc/$long"
mkdir -p "a/usr/share/$long"; bytes 20 inner >"a/usr/share/$long/$long"
bytes 70 utf >a/usr/share/doc/gr$(printf '\303\274\303\237')e
mknod a/dev/null c 1 3; mknod a/dev/sda b 8 0; mkfifo a/dev/pipe; mknod a/dev/whiteout c 0 0
chmod 1777 a/var/tmp; chown 0:12 a/var/tmp
bytes 90 run >a/run/lock/file
bytes 90 conf >a/etc/conf.d/a; bytes 90 conf2 >a/etc/conf.d/b
bytes 10 gone >a/etc/gone/x
bytes 30 file >a/opt/swap/file; mkdir a/opt/swap/dir; bytes 30 f >a/opt/swap/dir/f
touch -d '2023-11-14 22:13:20.123456789' a/usr
touch -h -d '2001-09-09 01:46:40.5' a/usr/bin/t
touch -d @0 a/usr/lib/empty
pack a

mkdir -p b/usr/bin b/etc/conf.d b/etc b/opt/swap/file b/usr/lib
: >b/etc/.wh.gone
: >b/etc/conf.d/.wh..wh..opq
bytes 95 new >b/etc/conf.d/z
: >b/opt/swap/.wh.dir
bytes 40 inner >b/opt/swap/file/inner
bytes 5001 tool >b/usr/bin/tool
chmod 0700 b/etc; chown 7:8 b/etc
pack b

# A hard link to a file of a lower layer.
mkdir -p c/usr/lib; bytes 4096 block >c/usr/lib/block; ln c/usr/lib/block c/usr/lib/block2
setfattr -n user.second -v x c/usr/lib/block
pack c
image everything a b c

# zstd: the same layers, compressed by zstd.
rm -rf "$here/zstd"
skopeo copy -q --dest-decompress oci:everything.umoci:latest "dir:$work/plain"
skopeo copy -q --dest-compress-format zstd "dir:$work/plain" "oci:$here/zstd:latest"

# bootable: no SELinux.
mkdir -p d/usr/lib/modules/6.1.0 d/usr/bin d/etc d/boot/loader d/sysroot/ostree d/run d/var d/tmp
bytes 9000 kernel >d/usr/lib/modules/6.1.0/vmlinuz
bytes 7000 initrd >d/usr/lib/modules/6.1.0/initramfs.img
bytes 200 sh >d/usr/bin/sh; chmod 755 d/usr/bin/sh
bytes 200 boot >d/boot/loader/junk
setfattr -n security.selinux -v system_u:object_r:old_t:s0 d/usr/bin/sh
touch -d '2023-11-14 22:13:20.123456789' d/usr
touch -d '2022-01-01 00:00:00.987654321' d/boot
pack d
image bootable d

# selinux: labels from the image's own policy.
mkdir -p e/etc/selinux/targeted/contexts/files e/usr/sbin e/var/log e/home
cat >e/etc/selinux/config <<'X'
# comment
SELINUX=enforcing
SELINUXTYPE=targeted
X
cat >e/etc/selinux/targeted/contexts/files/file_contexts <<'X'
/.*	system_u:object_r:default_t:s0
/	-d	system_u:object_r:root_t:s0
/usr(/.*)?	system_u:object_r:usr_t:s0
/usr/bin(/.*)?	system_u:object_r:bin_t:s0
/usr/bin/[^/]+\.sh	--	system_u:object_r:script_t:s0
/usr/lib/modules(/.*)?	system_u:object_r:modules_object_t:s0
/etc(/.*)?	system_u:object_r:etc_t:s0
/boot(/.*)?	system_u:object_r:boot_t:s0
/run(/.*)?	<<none>>
/sysroot	-d	system_u:object_r:sysroot_t:s0
/usr/bin/link	-l	system_u:object_r:link_t:s0
X
echo '/var/log(/.*)? system_u:object_r:var_log_t:s0' >e/etc/selinux/targeted/contexts/files/file_contexts.local
echo '/home/[^/]+ -d system_u:object_r:user_home_dir_t:s0' >e/etc/selinux/targeted/contexts/files/file_contexts.homedirs
echo '/usr/sbin /usr/bin' >e/etc/selinux/targeted/contexts/files/file_contexts.subs_dist
bytes 99 init >e/usr/sbin/init
mkdir -p e/usr/bin e/home/user
bytes 80 script >e/usr/bin/x.sh; ln e/usr/bin/x.sh e/var/log/linked
ln -s x.sh e/usr/bin/link
bytes 80 log >e/var/log/messages
pack e
image selinux d e
du -sh "$here"/*
