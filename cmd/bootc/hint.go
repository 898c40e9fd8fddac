package main

import (
	"errors"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/deploy"
	"github.com/bootc-go/bootc/etcmerge"
	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/install"
	"github.com/bootc-go/bootc/install/disk"
	"github.com/bootc-go/bootc/osimage"
	"github.com/bootc-go/bootc/sysroot"
)

const roomHint = "'bootc delete-deployment' removes a deployment, 'bootc internals composefs-gc' what belongs to none"

const damagedHint = "'bootc internals cfs fsck --repair' removes what is damaged; pulling the images again restores it"

// hints say what the user can do about an error. The first that fits counts.
var hints = []struct {
	err  error
	hint string
}{
	{install.ErrHalfway, "when the cause is mended, repeat it: with --wipe for a disk, for file systems with --replace=wipe, or --replace=alongside as before"},
	{install.ErrNoFilesystem, "say --filesystem ext4, xfs or btrfs; images say it in /usr/lib/bootc/install, see 'bootc install print-configuration'"},
	{disk.ErrNotEmpty, "--wipe replaces all that is on a disk, --replace=wipe what is in file systems"},
	{disk.ErrInUse, "unmount it, or choose another one"},
	{image.ErrUnauthorized, "put credentials into /etc/ostree/auth.json, or log in with podman or skopeo"},
	{image.ErrNotFound, "check the spelling of the reference, and that the image is there"},
	{image.ErrUnreachable, "check the network and the name of the registry; what was fetched is kept for the next try"},
	{image.ErrUnavailable, "try again later; what was fetched is kept"},
	{image.ErrTLS, "put the certificate of its authority into /etc/containers/certs.d, or mark the registry insecure in registries.conf"},
	{image.ErrSignature, "policy.json and registries.d say which signatures count, see containers-policy.json(5)"},
	{image.ErrNoPlatform, "build the image for this machine as well; 'bootc internals cfs oci pull --any-platform' stores it all the same"},
	{image.ErrBlocked, "registries.conf blocks it, see containers-registries.conf(5)"},
	{sysroot.ErrContainer, "run it on the host itself; 'bootc status' works here too"},
	{sysroot.ErrNotBooted, "'bootc status' tells what runs here; 'bootc install' makes a host that bootc can upgrade"},
	{sysroot.ErrNotRoot, "run it as root, with sudo or doas"},
	{sysroot.ErrReadOnly, "install the image on a disk, with 'bootc install to-disk'"},
	{etcmerge.ErrConflict, "rename or remove these files, or make of them what the new image has; 'bootc config-diff' lists all local changes"},
	{osimage.ErrNotBootable, "an image boots with one kernel and its initramfs in /usr/lib/modules/VERSION, or with a UKI in /boot/EFI/Linux"},
	{deploy.ErrLacksAddon, "what runs stays; --uki-addon of 'bootc upgrade' and 'bootc switch' chooses other addons from now on, --uki-addon '' none"},
	{deploy.ErrAddons, "choose them together with an update that is not here yet; 'bootc delete-deployment' removes one that does not run"},
	{deploy.ErrVarMoves, "move the files of /var there and reboot, then update; or take the line out of /etc/fstab"},
	{deploy.ErrUKI, "seal the image again, as the last step of its build; docs/howto/build-an-image.md says what may differ"},
	{bootloader.ErrNoRoom, roomHint},
	{deploy.ErrNoRoom, roomHint},
	{deploy.ErrBooted, "boot another one first: 'bootc rollback --apply'"},
	{deploy.ErrFailedBefore, "'bootc status --verbose' tells more; another digest is installed as ever, and --allow-failed tries this one again"},
	{deploy.ErrProven, "'bootc rollback' goes back without giving anything up"},
	{deploy.ErrNotFound, "'bootc status --json' has the id of each deployment, as verity"},
	{errHostDamaged, "'bootc internals cfs fsck --repair' removes damaged files, 'bootc internals cfs oci pull' fetches them again; 'bootc rollback' boots another deployment"},
	{errGarbage, "'bootc internals composefs-gc' removes it"},
	{errNoOstree, "'bootc delete-deployment' removes a deployment, 'bootc internals composefs-gc' what belongs to none"},
	{deploy.ErrLocked, "'bootc upgrade --from-downloaded' lets it through"},
	{deploy.ErrResetStaged, "reboot for the reset, or 'bootc delete-deployment staged' to drop it"},
	{deploy.ErrDisplaced, "reboot, or 'bootc rollback' to take the reset back"},
	{deploy.ErrStateroot, "without --stateroot the next free name is taken"},
	{deploy.ErrNotStaged, "'bootc upgrade --download-only' stages an update"},
	{repo.ErrNotRepository, "make a repository with 'bootc internals cfs init'"},
	{repo.ErrVerityRequired, "the file system must have the verity feature (tune2fs -O verity for ext4), or the repository --insecure"},
	{repo.ErrDamaged, damagedHint},
	{errDamaged, damagedHint},
	{oci.ErrNotFound, "'bootc internals cfs oci images' lists what is there"},
	{verity.ErrNotSupported, "the kernel and the file system must have fs-verity (ext4: tune2fs -O verity); a repository made with --insecure does without"},
}

// hint is what the user can do about err, "" if nothing is known.
func hint(err error) string {
	for _, h := range hints {
		if errors.Is(err, h.err) {
			return h.hint
		}
	}
	return ""
}
