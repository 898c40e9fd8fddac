#!/bin/bash
# Installs what "make build" built, and what belongs to it, below DESTDIR: the root
# directory of an image. docs/reference/files.md lists what comes where and what it
# is for.
set -euo pipefail
cd "$(dirname "$0")/.."
destdir=${DESTDIR-}
bin=${BIN:-bin} # where the programs are

# put MODE DIRECTORY FILE... installs files in a directory below DESTDIR.
put() {
    install -D -m "$1" -t "$destdir$2" -- "${@:3}"
}

put 755 /usr/bin "$bin"/bootc
install -D -m 755 "$bin"/bootc-initramfs "$destdir/usr/lib/bootc/initramfs-setup"
put 644 /usr/lib/systemd/system systemd/*.service systemd/*.timer systemd/*.path systemd/*.target
put 644 /usr/lib/tmpfiles.d systemd/bootc.conf
units=/usr/lib/systemd/system
# Whoever forgets these would have every update undone.
install -d "$destdir$units"/{basic.target.wants,boot-complete.target.requires}
ln -sf ../bootc-boot-complete.service "$destdir$units/basic.target.wants/"
ln -sf ../bootc-boot-check.service "$destdir$units/boot-complete.target.requires/"
install -D -m 644 systemd/grub-common.conf "$destdir$units/grub-common.service.d/10-bootc.conf"
put 644 /usr/lib/bootc/kargs.d systemd/10-bootc-panic.toml
put 644 /usr/lib/systemd/system-preset systemd/*.preset
put 755 /usr/lib/bootc systemd/destructive-cleanup
install -d -m 755 "$destdir/usr/lib/systemd/system-generators" "$destdir/usr/lib/bootc/bound-images.d"
ln -sfn ../../../bin/bootc "$destdir/usr/lib/systemd/system-generators/bootc-systemd-generator"
ln -sfn /sysroot/ostree/bootc/storage "$destdir/usr/lib/bootc/storage"
put 755 /usr/lib/dracut/modules.d/51bootc initramfs/dracut/51bootc/module-setup.sh
put 644 /usr/lib/dracut/dracut.conf.d initramfs/dracut/10-bootc-base.conf
put 755 /usr/share/initramfs-tools/hooks initramfs/initramfs-tools/hooks/bootc
put 755 /usr/share/initramfs-tools/scripts/local-bottom initramfs/initramfs-tools/scripts/local-bottom/bootc
put 644 /usr/share/man/man8 docs/man/*.8
put 644 /usr/share/man/man5 docs/man/*.5

install -D -m 644 docs/completions/bootc.bash "$destdir/usr/share/bash-completion/completions/bootc"
install -D -m 644 docs/completions/bootc.fish "$destdir/usr/share/fish/vendor_completions.d/bootc.fish"
# Debian's zsh looks into vendor-completions, others' into site-functions.
for dir in vendor-completions site-functions; do
    install -D -m 644 docs/completions/bootc.zsh "$destdir/usr/share/zsh/$dir/_bootc"
done
