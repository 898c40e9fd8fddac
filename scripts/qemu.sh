#!/bin/bash
# usage: qemu.sh TOOLS [have]
#
# Puts TOOLS/bin/qemu-system-x86_64 of version 10 or newer there, and TOOLS/ovmf
# with its firmware: the system's own, if that is new enough, or else those of
# Debian trixie, unpacked beside the system and run with trixie's C library.
# Emulation by older versions crashes guests now and then. With "have" it unpacks
# nothing, and says with its exit status whether all is there.
set -euo pipefail

tools=$1
wanted=10
name=qemu-system-x86_64
final=$tools/qemu-trixie

say() { echo "setup: $*" >&2; }

die() {
	say "$*"
	exit 1
}

# new_enough asks the program for its version.
new_enough() {
	local version
	version=$("$1" --version 2>/dev/null | sed -n 's/^QEMU emulator version \([0-9]*\)\..*/\1/p')
	[ -n "$version" ] && [ "$version" -ge "$wanted" ]
}

# at_home tells whether what was unpacked looks for its modules beside itself.
at_home() { [ -L "$tools/bin/$name" ] || compgen -G "$final/usr/lib/*/qemu-bundle" >/dev/null; }

new_enough "$tools/bin/$name" && [ -e "$tools/ovmf/OVMF_CODE_4M.fd" ] && at_home && exit

if own=$(command -v $name) && new_enough "$own" && [ -e /usr/share/OVMF/OVMF_CODE_4M.fd ]; then
	ln -sfn "$own" "$tools/bin/$name"
	ln -sfn /usr/share/OVMF "$tools/ovmf"
	exit
fi

[ "${2-}" != have ] || exit 1
[ "$(id -u)" = 0 ] || die "only root can unpack QEMU (run 'make setup' as root)"
mirror=$("${0%/*}/mirror.sh")
tmp=$(mktemp -d "$(realpath "$tools")/qemu.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
say "unpacking QEMU from Debian trixie beside the system"
for i in 1 2 3; do # mirrors have bad moments
	rm -rf "$tmp/new"
	mmdebstrap --quiet --mode=root --variant=extract --aptopt='APT::Install-Recommends false' \
		--include=qemu-system-x86,ovmf,seabios trixie "$tmp/new" "$mirror" && break
	[ "$i" -lt 3 ] || die "cannot unpack QEMU"
	sleep $((i * 3))
done
loader=$(cd "$tmp/new" && readlink -f usr/lib64/ld-linux-x86-64.so.2)
loader=${loader#"$tmp/new/"}
[ -x "$tmp/new/$loader" ] || die "trixie's C library has no loader where one was expected"

# QEMU looks for modules and firmware in /usr, where those of another version may be,
# which it cannot load. In a directory qemu-bundle beside its program it looks first,
# and in no other then; its program is, to Linux, the loader.
ln -s "$(realpath --relative-to="$tmp/new/${loader%/*}" "$tmp/new")" "$tmp/new/${loader%/*}/qemu-bundle"

rm -rf "$final"
chmod 755 "$tmp/new"
mv "$tmp/new" "$final"
cat >"$tmp/wrapper" <<END
#!/bin/sh
r=\${0%/*}/../${final##*/}
exec "\$r/$loader" --library-path "\$r/${loader%/*}" "\$r/usr/bin/$name" "\$@"
END
chmod 755 "$tmp/wrapper"
rm -f "$tools/bin/$name"
mv "$tmp/wrapper" "$tools/bin/$name"
ln -sfn "${final##*/}/usr/share/OVMF" "$tools/ovmf"
new_enough "$tools/bin/$name" || die "the unpacked QEMU does not run"
