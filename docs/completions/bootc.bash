# Completions of bootc for bash. Made from the command tree by make generate.

# __bootc_command sets subs, flags and operand to what the command $1 has.
__bootc_command() {
    case $1 in
    'bootc') subs='install container status why upgrade switch rollback edit pin unpin usr-overlay loader-entries config-diff diff image delete-deployment composefs-finalize-staged' flags='--help -h --version -V' operand='' ;;
    'bootc install') subs='to-disk to-filesystem to-existing-root reset finalize print-configuration' flags='--help -h' operand='' ;;
    'bootc install to-disk') subs='' flags='--help -h --wipe --block-setup --filesystem --root-size --via-loopback --source-imgref --target-transport --target-imgref --enforce-container-sigpolicy --run-fetch-check --skip-fetch-check --disable-selinux --karg --karg-delete --root-ssh-authorized-keys --bound-images --uki-addon --generic-image --stateroot --bootloader --composefs-backend --allow-missing-verity' operand='@file' ;;
    'bootc install to-filesystem') subs='' flags='--help -h --root-mount-spec --boot-mount-spec --replace --acknowledge-destructive --skip-finalize --source-imgref --target-transport --target-imgref --enforce-container-sigpolicy --run-fetch-check --skip-fetch-check --disable-selinux --karg --karg-delete --root-ssh-authorized-keys --bound-images --uki-addon --generic-image --stateroot --bootloader --composefs-backend --allow-missing-verity' operand='@file' ;;
    'bootc install to-existing-root') subs='' flags='--help -h --replace --acknowledge-destructive --cleanup --source-imgref --target-transport --target-imgref --enforce-container-sigpolicy --run-fetch-check --skip-fetch-check --disable-selinux --karg --karg-delete --root-ssh-authorized-keys --bound-images --uki-addon --generic-image --stateroot --bootloader --composefs-backend --allow-missing-verity' operand='@file' ;;
    'bootc install reset') subs='' flags='--help -h --acknowledge-destructive --experimental --keep --stateroot --target-imgref --target-transport --enforce-container-sigpolicy --no-root-kargs --karg --allow-failed --apply --quiet' operand='' ;;
    'bootc install finalize') subs='' flags='--help -h' operand='@file' ;;
    'bootc install print-configuration') subs='' flags='--help -h --all' operand='' ;;
    'bootc install ensure-completion') subs='' flags='--help -h' operand='' ;;
    'bootc container') subs='inspect lint split-kernel-and-rootfs ukify' flags='--help -h' operand='' ;;
    'bootc container inspect') subs='' flags='--help -h --rootfs --json --format' operand='' ;;
    'bootc container lint') subs='' flags='--help -h --rootfs --fatal-warnings --list --skip --no-truncate' operand='' ;;
    'bootc container split-kernel-and-rootfs') subs='' flags='--help -h --rootfs --output' operand='' ;;
    'bootc container ukify') subs='' flags='--help -h --rootfs --kernel-dir --allow-missing-verity --write-dumpfile-to --exact-times' operand='' ;;
    'bootc container compute-composefs-digest') subs='' flags='--help -h --write-dumpfile-to --exact-times' operand='@file' ;;
    'bootc container compute-composefs-digest-from-storage') subs='' flags='--help -h --write-dumpfile-to' operand='' ;;
    'bootc container export') subs='' flags='--help -h --format --output -o --kernel-in-boot --disable-selinux' operand='' ;;
    'bootc status') subs='' flags='--help -h --format --format-version --booted --verbose -v' operand='' ;;
    'bootc why') subs='' flags='--help -h' operand='' ;;
    'bootc upgrade') subs='' flags='--help -h --quiet --check --full --json --apply --soft-reboot --download-only --from-downloaded --allow-failed --tag --uki-addon' operand='' ;;
    'bootc switch') subs='' flags='--help -h --transport --enforce-container-sigpolicy --apply --retain --soft-reboot --allow-failed --uki-addon --quiet' operand='' ;;
    'bootc rollback') subs='' flags='--help -h --apply --soft-reboot --auto' operand='' ;;
    'bootc edit') subs='' flags='--help -h --filename -f --quiet' operand='' ;;
    'bootc pin') subs='' flags='--help -h' operand='' ;;
    'bootc unpin') subs='' flags='--help -h' operand='' ;;
    'bootc usr-overlay') subs='' flags='--help -h --read-only' operand='' ;;
    'bootc loader-entries') subs='set-options-for-source' flags='--help -h' operand='' ;;
    'bootc loader-entries set-options-for-source') subs='' flags='--help -h --source --options' operand='' ;;
    'bootc config-diff') subs='' flags='--help -h --json --patch -p --private' operand='' ;;
    'bootc diff') subs='' flags='--help -h --json --files --quiet' operand='' ;;
    'bootc image') subs='list validate copy-to-storage pull-from-default-storage' flags='--help -h' operand='' ;;
    'bootc image list') subs='' flags='--help -h --type --format' operand='' ;;
    'bootc image validate') subs='' flags='--help -h --json --platform --oci-only --fatal-warnings --quiet -q --authfile --tls-verify' operand='' ;;
    'bootc image copy-to-storage') subs='' flags='--help -h --source --target --quiet -q' operand='' ;;
    'bootc image pull-from-default-storage') subs='' flags='--help -h --quiet -q' operand='' ;;
    'bootc image set-unified') subs='' flags='--help -h' operand='' ;;
    'bootc image cmd') subs='' flags='--help -h' operand='' ;;
    'bootc delete-deployment') subs='' flags='--help -h' operand='' ;;
    'bootc composefs-finalize-staged') subs='' flags='--help -h' operand='' ;;
    'bootc state') subs='wipe-ostree' flags='--help -h' operand='' ;;
    'bootc state wipe-ostree') subs='' flags='--help -h' operand='' ;;
    'bootc exec-in-host-mount-namespace') subs='' flags='--help -h' operand='' ;;
    'bootc completion') subs='' flags='--help -h' operand='zsh fish' ;;
    'bootc internals') subs='cfs mkcomposefs fsverity enable-verity composefs-gc systemd-generator fixup-etc-fstab sysusers-sync relabel relabel-overlay-mountpoints prep-soft-reboot cleanup reboot generate-docs print-json-schema dump-cli-json dir-diff uki blockdev fsck boot-check boot-complete boot-failed' flags='--help -h' operand='' ;;
    'bootc internals cfs') subs='init oci gc fsck cat images image-objects mount create-image compute-id create-dumpfile' flags='--help -h --repo --system --user --hash --erofs-version --require-verity --no-upgrade --no-repo' operand='' ;;
    'bootc internals cfs init') subs='' flags='--help -h --algorithm --insecure --erofs-version' operand='@dir' ;;
    'bootc internals cfs oci') subs='pull images inspect layer tag untag fsck dump compute-id mount' flags='--help -h' operand='' ;;
    'bootc internals cfs oci pull') subs='' flags='--help -h --bootable --boot-only --xattrs --quiet -q --parallel --authfile --policy --require-signature --tls-verify --any-platform' operand='' ;;
    'bootc internals cfs oci images') subs='' flags='--help -h --json' operand='' ;;
    'bootc internals cfs oci inspect') subs='' flags='--help -h --manifest --config' operand='' ;;
    'bootc internals cfs oci layer') subs='' flags='--help -h --dumpfile --json' operand='' ;;
    'bootc internals cfs oci tag') subs='' flags='--help -h' operand='' ;;
    'bootc internals cfs oci untag') subs='' flags='--help -h' operand='' ;;
    'bootc internals cfs oci fsck') subs='' flags='--help -h --json' operand='' ;;
    'bootc internals cfs oci dump') subs='' flags='--help -h --bootable --xattrs' operand='' ;;
    'bootc internals cfs oci compute-id') subs='' flags='--help -h --bootable --xattrs' operand='' ;;
    'bootc internals cfs oci mount') subs='' flags='--help -h --bootable --xattrs --upperdir --workdir --read-write' operand='@file' ;;
    'bootc internals cfs gc') subs='' flags='--help -h --root -r --dry-run -n' operand='' ;;
    'bootc internals cfs fsck') subs='' flags='--help -h --json --metadata-only --repair' operand='' ;;
    'bootc internals cfs cat') subs='' flags='--help -h' operand='' ;;
    'bootc internals cfs images') subs='' flags='--help -h --json --no-trunc' operand='' ;;
    'bootc internals cfs image-objects') subs='' flags='--help -h' operand='' ;;
    'bootc internals cfs mount') subs='' flags='--help -h --upperdir --workdir --read-write' operand='@file' ;;
    'bootc internals cfs create-image') subs='' flags='--help -h --bootable --no-propagate-usr-to-root --xattrs' operand='@file' ;;
    'bootc internals cfs compute-id') subs='' flags='--help -h --bootable --no-propagate-usr-to-root --xattrs' operand='@file' ;;
    'bootc internals cfs create-dumpfile') subs='' flags='--help -h --bootable --no-propagate-usr-to-root --xattrs' operand='@file' ;;
    'bootc internals mkcomposefs') subs='' flags='--help -h --from-file --digest-store --print-digest --print-digest-only --digest --min-version --max-version --use-epoch --skip-devices --skip-xattrs --user-xattrs --threads' operand='' ;;
    'bootc internals fsverity') subs='digest measure enable' flags='--help -h' operand='' ;;
    'bootc internals fsverity digest') subs='' flags='--help -h --hash-alg --compact' operand='@file' ;;
    'bootc internals fsverity measure') subs='' flags='--help -h' operand='@file' ;;
    'bootc internals fsverity enable') subs='' flags='--help -h --hash-alg' operand='@file' ;;
    'bootc internals enable-verity') subs='' flags='--help -h --once' operand='' ;;
    'bootc internals composefs-gc') subs='' flags='--help -h --dry-run --assert-no-op --prune-repo' operand='' ;;
    'bootc internals systemd-generator') subs='' flags='--help -h' operand='' ;;
    'bootc internals fixup-etc-fstab') subs='' flags='--help -h' operand='' ;;
    'bootc internals sysusers-sync') subs='' flags='--help -h' operand='' ;;
    'bootc internals relabel') subs='' flags='--help -h --as-path' operand='@file' ;;
    'bootc internals relabel-overlay-mountpoints') subs='' flags='--help -h' operand='' ;;
    'bootc internals prep-soft-reboot') subs='' flags='--help -h --reboot --reset' operand='' ;;
    'bootc internals cleanup') subs='' flags='--help -h' operand='' ;;
    'bootc internals reboot') subs='' flags='--help -h' operand='' ;;
    'bootc internals generate-docs') subs='' flags='--help -h' operand='@dir' ;;
    'bootc internals print-json-schema') subs='' flags='--help -h --of' operand='' ;;
    'bootc internals dump-cli-json') subs='' flags='--help -h' operand='' ;;
    'bootc internals dir-diff') subs='' flags='--help -h --merge' operand='@file' ;;
    'bootc internals uki') subs='extract' flags='--help -h' operand='' ;;
    'bootc internals uki extract') subs='' flags='--help -h' operand='@file' ;;
    'bootc internals blockdev') subs='ls ls-filesystem' flags='--help -h' operand='' ;;
    'bootc internals blockdev ls') subs='' flags='--help -h' operand='@file' ;;
    'bootc internals blockdev ls-filesystem') subs='' flags='--help -h' operand='@file' ;;
    'bootc internals fsck') subs='' flags='--help -h' operand='' ;;
    'bootc internals boot-check') subs='' flags='--help -h' operand='' ;;
    'bootc internals boot-complete') subs='' flags='--help -h' operand='' ;;
    'bootc internals boot-failed') subs='' flags='--help -h' operand='' ;;
    esac
}

# __bootc_enter sets at to the command $2 of the command $1, if it has such a one.
__bootc_enter() {
    case "$1 $2" in
    'bootc install') at='bootc install' ;;
    'bootc install to-disk') at='bootc install to-disk' ;;
    'bootc install to-filesystem') at='bootc install to-filesystem' ;;
    'bootc install to-existing-root') at='bootc install to-existing-root' ;;
    'bootc install reset') at='bootc install reset' ;;
    'bootc install finalize') at='bootc install finalize' ;;
    'bootc install print-configuration') at='bootc install print-configuration' ;;
    'bootc install ensure-completion') at='bootc install ensure-completion' ;;
    'bootc container') at='bootc container' ;;
    'bootc container inspect') at='bootc container inspect' ;;
    'bootc container lint') at='bootc container lint' ;;
    'bootc container split-kernel-and-rootfs') at='bootc container split-kernel-and-rootfs' ;;
    'bootc container ukify') at='bootc container ukify' ;;
    'bootc container compute-composefs-digest') at='bootc container compute-composefs-digest' ;;
    'bootc container compute-composefs-digest-from-storage') at='bootc container compute-composefs-digest-from-storage' ;;
    'bootc container export') at='bootc container export' ;;
    'bootc status') at='bootc status' ;;
    'bootc why') at='bootc why' ;;
    'bootc upgrade' | 'bootc update') at='bootc upgrade' ;;
    'bootc switch') at='bootc switch' ;;
    'bootc rollback') at='bootc rollback' ;;
    'bootc edit') at='bootc edit' ;;
    'bootc pin') at='bootc pin' ;;
    'bootc unpin') at='bootc unpin' ;;
    'bootc usr-overlay' | 'bootc usroverlay') at='bootc usr-overlay' ;;
    'bootc loader-entries') at='bootc loader-entries' ;;
    'bootc loader-entries set-options-for-source') at='bootc loader-entries set-options-for-source' ;;
    'bootc config-diff') at='bootc config-diff' ;;
    'bootc diff') at='bootc diff' ;;
    'bootc image') at='bootc image' ;;
    'bootc image list') at='bootc image list' ;;
    'bootc image validate') at='bootc image validate' ;;
    'bootc image copy-to-storage') at='bootc image copy-to-storage' ;;
    'bootc image pull-from-default-storage') at='bootc image pull-from-default-storage' ;;
    'bootc image set-unified') at='bootc image set-unified' ;;
    'bootc image cmd') at='bootc image cmd' ;;
    'bootc delete-deployment') at='bootc delete-deployment' ;;
    'bootc composefs-finalize-staged') at='bootc composefs-finalize-staged' ;;
    'bootc state') at='bootc state' ;;
    'bootc state wipe-ostree') at='bootc state wipe-ostree' ;;
    'bootc exec-in-host-mount-namespace') at='bootc exec-in-host-mount-namespace' ;;
    'bootc completion') at='bootc completion' ;;
    'bootc internals') at='bootc internals' ;;
    'bootc internals cfs') at='bootc internals cfs' ;;
    'bootc internals cfs init') at='bootc internals cfs init' ;;
    'bootc internals cfs oci') at='bootc internals cfs oci' ;;
    'bootc internals cfs oci pull') at='bootc internals cfs oci pull' ;;
    'bootc internals cfs oci images') at='bootc internals cfs oci images' ;;
    'bootc internals cfs oci inspect') at='bootc internals cfs oci inspect' ;;
    'bootc internals cfs oci layer') at='bootc internals cfs oci layer' ;;
    'bootc internals cfs oci tag') at='bootc internals cfs oci tag' ;;
    'bootc internals cfs oci untag') at='bootc internals cfs oci untag' ;;
    'bootc internals cfs oci fsck') at='bootc internals cfs oci fsck' ;;
    'bootc internals cfs oci dump') at='bootc internals cfs oci dump' ;;
    'bootc internals cfs oci compute-id') at='bootc internals cfs oci compute-id' ;;
    'bootc internals cfs oci mount') at='bootc internals cfs oci mount' ;;
    'bootc internals cfs gc') at='bootc internals cfs gc' ;;
    'bootc internals cfs fsck') at='bootc internals cfs fsck' ;;
    'bootc internals cfs cat') at='bootc internals cfs cat' ;;
    'bootc internals cfs images' | 'bootc internals cfs list-images') at='bootc internals cfs images' ;;
    'bootc internals cfs image-objects') at='bootc internals cfs image-objects' ;;
    'bootc internals cfs mount') at='bootc internals cfs mount' ;;
    'bootc internals cfs create-image') at='bootc internals cfs create-image' ;;
    'bootc internals cfs compute-id') at='bootc internals cfs compute-id' ;;
    'bootc internals cfs create-dumpfile') at='bootc internals cfs create-dumpfile' ;;
    'bootc internals mkcomposefs') at='bootc internals mkcomposefs' ;;
    'bootc internals fsverity') at='bootc internals fsverity' ;;
    'bootc internals fsverity digest') at='bootc internals fsverity digest' ;;
    'bootc internals fsverity measure') at='bootc internals fsverity measure' ;;
    'bootc internals fsverity enable') at='bootc internals fsverity enable' ;;
    'bootc internals enable-verity') at='bootc internals enable-verity' ;;
    'bootc internals composefs-gc') at='bootc internals composefs-gc' ;;
    'bootc internals systemd-generator') at='bootc internals systemd-generator' ;;
    'bootc internals fixup-etc-fstab') at='bootc internals fixup-etc-fstab' ;;
    'bootc internals sysusers-sync') at='bootc internals sysusers-sync' ;;
    'bootc internals relabel') at='bootc internals relabel' ;;
    'bootc internals relabel-overlay-mountpoints') at='bootc internals relabel-overlay-mountpoints' ;;
    'bootc internals prep-soft-reboot') at='bootc internals prep-soft-reboot' ;;
    'bootc internals cleanup') at='bootc internals cleanup' ;;
    'bootc internals reboot') at='bootc internals reboot' ;;
    'bootc internals generate-docs') at='bootc internals generate-docs' ;;
    'bootc internals print-json-schema') at='bootc internals print-json-schema' ;;
    'bootc internals dump-cli-json') at='bootc internals dump-cli-json' ;;
    'bootc internals dir-diff') at='bootc internals dir-diff' ;;
    'bootc internals uki') at='bootc internals uki' ;;
    'bootc internals uki extract') at='bootc internals uki extract' ;;
    'bootc internals blockdev') at='bootc internals blockdev' ;;
    'bootc internals blockdev ls') at='bootc internals blockdev ls' ;;
    'bootc internals blockdev ls-filesystem') at='bootc internals blockdev ls-filesystem' ;;
    'bootc internals fsck') at='bootc internals fsck' ;;
    'bootc internals boot-check') at='bootc internals boot-check' ;;
    'bootc internals boot-complete') at='bootc internals boot-complete' ;;
    'bootc internals boot-failed') at='bootc internals boot-failed' ;;
    esac
}

# __bootc_value sets value to what the flag $2 of the command $1 takes; it fails if it takes none.
__bootc_value() {
    case "$1 $2" in
    'bootc install to-disk --block-setup') value='direct tpm2-luks' ;;
    'bootc install to-disk --filesystem') value='ext4 xfs btrfs' ;;
    'bootc install to-disk --root-size') value='' ;;
    'bootc install to-disk --source-imgref') value='' ;;
    'bootc install to-disk --target-transport') value='registry containers-storage dir docker-archive docker-daemon oci oci-archive' ;;
    'bootc install to-disk --target-imgref') value='' ;;
    'bootc install to-disk --karg') value='' ;;
    'bootc install to-disk --karg-delete') value='' ;;
    'bootc install to-disk --root-ssh-authorized-keys') value='@file' ;;
    'bootc install to-disk --bound-images') value='stored pull skip' ;;
    'bootc install to-disk --uki-addon') value='' ;;
    'bootc install to-disk --stateroot') value='' ;;
    'bootc install to-disk --bootloader') value='systemd grub grub-cc none' ;;
    'bootc install to-filesystem --root-mount-spec') value='' ;;
    'bootc install to-filesystem --boot-mount-spec') value='' ;;
    'bootc install to-filesystem --replace') value='wipe alongside' ;;
    'bootc install to-filesystem --source-imgref') value='' ;;
    'bootc install to-filesystem --target-transport') value='registry containers-storage dir docker-archive docker-daemon oci oci-archive' ;;
    'bootc install to-filesystem --target-imgref') value='' ;;
    'bootc install to-filesystem --karg') value='' ;;
    'bootc install to-filesystem --karg-delete') value='' ;;
    'bootc install to-filesystem --root-ssh-authorized-keys') value='@file' ;;
    'bootc install to-filesystem --bound-images') value='stored pull skip' ;;
    'bootc install to-filesystem --uki-addon') value='' ;;
    'bootc install to-filesystem --stateroot') value='' ;;
    'bootc install to-filesystem --bootloader') value='systemd grub grub-cc none' ;;
    'bootc install to-existing-root --replace') value='wipe alongside' ;;
    'bootc install to-existing-root --source-imgref') value='' ;;
    'bootc install to-existing-root --target-transport') value='registry containers-storage dir docker-archive docker-daemon oci oci-archive' ;;
    'bootc install to-existing-root --target-imgref') value='' ;;
    'bootc install to-existing-root --karg') value='' ;;
    'bootc install to-existing-root --karg-delete') value='' ;;
    'bootc install to-existing-root --root-ssh-authorized-keys') value='@file' ;;
    'bootc install to-existing-root --bound-images') value='stored pull skip' ;;
    'bootc install to-existing-root --uki-addon') value='' ;;
    'bootc install to-existing-root --stateroot') value='' ;;
    'bootc install to-existing-root --bootloader') value='systemd grub grub-cc none' ;;
    'bootc install reset --keep') value='@file' ;;
    'bootc install reset --stateroot') value='' ;;
    'bootc install reset --target-imgref') value='' ;;
    'bootc install reset --target-transport') value='registry containers-storage dir docker-archive docker-daemon oci oci-archive' ;;
    'bootc install reset --karg') value='' ;;
    'bootc container inspect --rootfs') value='@dir' ;;
    'bootc container inspect --format') value='humanreadable yaml json' ;;
    'bootc container lint --rootfs') value='@dir' ;;
    'bootc container lint --skip') value='' ;;
    'bootc container split-kernel-and-rootfs --rootfs') value='@dir' ;;
    'bootc container split-kernel-and-rootfs --output') value='@dir' ;;
    'bootc container ukify --rootfs') value='@dir' ;;
    'bootc container ukify --kernel-dir') value='@dir' ;;
    'bootc container ukify --write-dumpfile-to') value='@file' ;;
    'bootc container compute-composefs-digest --write-dumpfile-to') value='@file' ;;
    'bootc container compute-composefs-digest-from-storage --write-dumpfile-to') value='@file' ;;
    'bootc container export --format') value='tar' ;;
    'bootc container export --output' | 'bootc container export -o') value='@file' ;;
    'bootc status --format') value='humanreadable yaml json' ;;
    'bootc status --format-version') value='0 1' ;;
    'bootc upgrade --soft-reboot') value='required auto' ;;
    'bootc upgrade --tag') value='' ;;
    'bootc upgrade --uki-addon') value='' ;;
    'bootc switch --transport') value='registry containers-storage dir docker-archive docker-daemon oci oci-archive' ;;
    'bootc switch --soft-reboot') value='required auto' ;;
    'bootc switch --uki-addon') value='' ;;
    'bootc rollback --soft-reboot') value='required auto' ;;
    'bootc edit --filename' | 'bootc edit -f') value='@file' ;;
    'bootc loader-entries set-options-for-source --source') value='' ;;
    'bootc loader-entries set-options-for-source --options') value='' ;;
    'bootc image list --type') value='all logical host' ;;
    'bootc image list --format') value='table json' ;;
    'bootc image validate --platform') value='' ;;
    'bootc image validate --authfile') value='@file' ;;
    'bootc image copy-to-storage --source') value='' ;;
    'bootc image copy-to-storage --target') value='' ;;
    'bootc internals cfs --repo') value='@dir' ;;
    'bootc internals cfs --hash') value='sha256 sha512' ;;
    'bootc internals cfs --erofs-version') value='0 1' ;;
    'bootc internals cfs init --algorithm') value='fsverity-sha512-12 fsverity-sha256-12' ;;
    'bootc internals cfs init --erofs-version') value='0 1' ;;
    'bootc internals cfs oci pull --xattrs') value='allowlist-only keep-user-xattrs' ;;
    'bootc internals cfs oci pull --parallel') value='' ;;
    'bootc internals cfs oci pull --authfile') value='@file' ;;
    'bootc internals cfs oci pull --policy') value='@file' ;;
    'bootc internals cfs oci dump --xattrs') value='allowlist-only keep-user-xattrs' ;;
    'bootc internals cfs oci compute-id --xattrs') value='allowlist-only keep-user-xattrs' ;;
    'bootc internals cfs oci mount --xattrs') value='allowlist-only keep-user-xattrs' ;;
    'bootc internals cfs oci mount --upperdir') value='@dir' ;;
    'bootc internals cfs oci mount --workdir') value='@dir' ;;
    'bootc internals cfs gc --root' | 'bootc internals cfs gc -r') value='' ;;
    'bootc internals cfs mount --upperdir') value='@dir' ;;
    'bootc internals cfs mount --workdir') value='@dir' ;;
    'bootc internals cfs create-image --xattrs') value='allowlist-only keep-user-xattrs' ;;
    'bootc internals cfs compute-id --xattrs') value='allowlist-only keep-user-xattrs' ;;
    'bootc internals cfs create-dumpfile --xattrs') value='allowlist-only keep-user-xattrs' ;;
    'bootc internals mkcomposefs --digest-store') value='@file' ;;
    'bootc internals mkcomposefs --digest') value='sha256 sha512' ;;
    'bootc internals mkcomposefs --min-version') value='' ;;
    'bootc internals mkcomposefs --max-version') value='' ;;
    'bootc internals mkcomposefs --threads') value='' ;;
    'bootc internals fsverity digest --hash-alg') value='sha256 sha512' ;;
    'bootc internals fsverity enable --hash-alg') value='sha256 sha512' ;;
    'bootc internals enable-verity --once') value='@file' ;;
    'bootc internals relabel --as-path') value='' ;;
    'bootc internals print-json-schema --of') value='host progress forecast' ;;
    *) return 1 ;;
    esac
}

__bootc_reply() {
    case $1 in
    @dir) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$2") ;;
    @file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2") ;;
    esac
}

_bootc() {
    local cur=${COMP_WORDS[COMP_CWORD]} at=bootc subs flags operand value i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ ${COMP_WORDS[i]} == -- ]]; then
            __bootc_command "$at"
            __bootc_reply "$operand" "$cur"
            return
        fi
        if __bootc_value "$at" "${COMP_WORDS[i]}"; then
            ((i++))
            # bash makes a word of each equals sign.
            [[ ${COMP_WORDS[i]} == = && $i -lt $COMP_CWORD ]] && ((i++))
            if ((i >= COMP_CWORD)); then
                [[ $cur == = ]] && cur=
                __bootc_reply "$value" "$cur"
                return
            fi
            continue
        fi
        __bootc_enter "$at" "${COMP_WORDS[i]}"
    done
    __bootc_command "$at"
    if [[ $cur == -* ]]; then
        __bootc_reply "$flags" "$cur"
    else
        __bootc_reply "${subs:-$operand}" "$cur"
    fi
}

complete -F _bootc bootc
