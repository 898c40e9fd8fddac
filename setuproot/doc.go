// Package setuproot puts the root file system of a deployment together out of mounts:
// for the initramfs, for a soft reboot, and with a writable /usr for the system that
// runs. docs/explanation/boot.md says what the result is.
//
// It goes into an initramfs, so it depends on nothing that fetches or unpacks images.
package setuproot
