#!/bin/bash
# The dracut module that makes a bootc deployment the root file system.

# Only who asks for it gets it: see 10-bootc-base.conf.
check() {
    return 255
}

depends() {
    echo systemd-initrd
}

installkernel() {
    # loop is for kernels before 6.12, sha512 for fs-verity where it is a module.
    instmods erofs overlay loop sha512_generic
}

# shellcheck disable=SC2154 # dracut sets these variables
install() {
    local unit=bootc-root-setup.service
    inst_multiple /usr/lib/bootc/initramfs-setup "$systemdsystemunitdir/$unit"
    inst_multiple -o /usr/lib/composefs/setup-root-conf.toml
    local rescue=bootc-emergency-reboot.service
    inst_multiple sh sleep systemctl "$systemdsystemunitdir/$rescue"
    $SYSTEMCTL -q --root "$initdir" add-wants emergency.target "$rescue"
    $SYSTEMCTL -q --root "$initdir" add-wants initrd-root-fs.target "$unit"
}
