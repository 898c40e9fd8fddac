package main

// example is a command line and what it is for.
type example struct{ what, line string }

// examples are shown in manual pages and in the reference, by the name of the command. A
// test reads their command lines.
func examples() map[string][]example {
	return map[string][]example{
		"bootc install to-disk": {
			{"In a container of the image, onto a disk with all that is on it", "podman run --rm --privileged --pid=host -v /dev:/dev -v /var/lib/containers:/var/lib/containers quay.io/acme/os:44 bootc install to-disk --wipe /dev/nvme0n1"},
			{"With a root that only this machine's TPM opens", "bootc install to-disk --block-setup tpm2-luks --filesystem ext4 --source-imgref docker://quay.io/acme/os:44 /dev/nvme0n1"},
			{"An image from a registry, into a file that a virtual machine can use as its disk", "bootc install to-disk --via-loopback --filesystem ext4 --source-imgref docker://quay.io/acme/os:44 --target-imgref quay.io/acme/os:44 disk.raw"},
		},
		"bootc install to-filesystem": {
			{"Into file systems that are mounted already, the root at /mnt", "bootc install to-filesystem --source-imgref docker://quay.io/acme/os:44 --karg console=ttyS0 /mnt"},
		},
		"bootc install to-existing-root": {
			{"Over the system that runs; its files stay, and are seen in /sysroot", "podman run --rm --privileged --pid=host -v /dev:/dev -v /var/lib/containers:/var/lib/containers -v /:/target quay.io/acme/os:44 bootc install to-existing-root --acknowledge-destructive"},
		},
		"bootc install reset": {
			{"As on the day of installation, at once", "bootc install reset --acknowledge-destructive --apply"},
			{"People's files stay, with those who they belong to, and the host's name and keys", "bootc install reset --acknowledge-destructive --keep /var/home --keep /etc/passwd --keep /etc/group --keep /etc/shadow --keep /etc/subuid --keep /etc/subgid --keep /etc/hostname --keep /etc/ssh"},
			{"Another image, and nothing of the one before", "bootc install reset --acknowledge-destructive --target-imgref quay.io/acme/os:45"},
		},
		"bootc install finalize": {
			{"After the last change to what was installed at /mnt", "bootc install finalize /mnt"},
		},
		"bootc install print-configuration": {
			{"What the image at hand says of its installation", "bootc install print-configuration --all"},
		},
		"bootc container inspect": {
			{"The version of the kernel, for a script", "bootc container inspect --json | jq -r .kernel.version"},
		},
		"bootc container lint": {
			{"The last line of a Containerfile, which has the build fail if hosts would", "RUN bootc container lint"},
			{"All rules but one, warnings being errors", "bootc container lint --fatal-warnings --skip var-tmpfiles"},
			{"What rules there are", "bootc container lint --list"},
			{"The root directory of another image", "bootc container lint --rootfs /mnt --no-truncate"},
		},
		"bootc container split-kernel-and-rootfs": {
			{"In the Containerfile of an image that gets a unified kernel image", "RUN bootc container split-kernel-and-rootfs --output /kernel"},
		},
		"bootc container ukify": {
			{"A unified kernel image of the image at /target, from which the kernel was moved", "bootc container ukify --rootfs /target --kernel-dir /target/kernel/6.12.48 -- --output=/out/6.12.48.efi"},
		},
		"bootc why": {
			{"Why an update does not arrive", "bootc why"},
		},
		"bootc status": {
			{"For people", "bootc status --format humanreadable"},
			{"The digest of the image that runs, for a script", "bootc status --json | jq -r .status.booted.image.imageDigest"},
		},
		"bootc upgrade": {
			{"Is there a newer image? Nothing is changed", "bootc upgrade --check"},
			{"Fetch it and reboot into it", "bootc upgrade --apply"},
			{"Fetch it now, and have a reboot apply it only when told so", "bootc upgrade --download-only"},
			{"Have the next reboot apply what was fetched", "bootc upgrade --from-downloaded"},
		},
		"bootc switch": {
			{"Follow another tag", "bootc switch quay.io/acme/os:45"},
			{"Take an image from a directory without a network, and reboot", "bootc switch --apply --transport oci /media/usb/os:45"},
		},
		"bootc rollback": {
			{"Go back to the deployment before, now", "bootc rollback --apply"},
		},
		"bootc edit": {
			{"In $EDITOR", "bootc edit"},
			{"From a file, as a tool does", "bootc edit --filename host.yaml"},
		},
		"bootc pin": {
			{"Keep what runs", "bootc pin booted"},
		},
		"bootc unpin": {
			{"Keep it no longer", "bootc unpin booted"},
		},
		"bootc usr-overlay": {
			{"Try a package until the next reboot", "bootc usr-overlay && apt-get install strace"},
		},
		"bootc config-diff": {
			{"What this host has changed", "bootc config-diff"},
		},
		"bootc loader-entries set-options-for-source": {
			{"What a tool wants, in the place of what it wanted before", "bootc loader-entries set-options-for-source --source tuned --options isolcpus=2-3"},
			{"The tool wants nothing any more", "bootc loader-entries set-options-for-source --source tuned"},
		},
		"bootc image list": {
			{"For a script", "bootc image list --format json"},
		},
		"bootc image validate": {
			{"An image in a registry, before hosts switch to it", "bootc image validate quay.io/acme/os:45"},
		},
		"bootc image copy-to-storage": {
			{"The image that runs, to build on top of it with podman", "bootc image copy-to-storage --target localhost/os"},
		},
		"bootc image pull-from-default-storage": {
			{"An image that was built on the host", "bootc image pull-from-default-storage localhost/app"},
		},
		"bootc diff": {
			{"What an update would change", "bootc diff"},
		},
		"bootc delete-deployment": {
			{"The deployment that could be rolled back to", "bootc delete-deployment $(bootc status --json | jq -r .status.rollback.composefs.verity)"},
		},
		"bootc composefs-finalize-staged": {
			{"What the unit runs at shutdown", "systemctl cat bootc-finalize-staged.service"},
		},
	}
}

// exitStatuses are those of commands that have more to say than exitStatus.
func exitStatuses() map[string]string {
	return map[string]string{
		"bootc container lint": "0 if no rule of type fatal found anything, and with --fatal-warnings no rule at all; 1 if one did, or if the image cannot be read; 2 if the command line cannot be understood.",
	}
}
