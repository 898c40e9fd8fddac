package main

import (
	"errors"

	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/image"
)

// hints say what the user can do about an error. The first that fits counts.
var hints = []struct {
	err  error
	hint string
}{
	{image.ErrUnauthorized, "put credentials into /etc/ostree/auth.json, or log in with podman or skopeo"},
	{image.ErrNotFound, "check the spelling of the reference, and that the image is there"},
	{image.ErrUnreachable, "check the network and the name of the registry; what was fetched is kept for the next try"},
	{image.ErrUnavailable, "try again later; what was fetched is kept"},
	{image.ErrTLS, "put the certificate of its authority into /etc/containers/certs.d, mark the registry insecure in registries.conf, or use --tls-verify=false for this once"},
	{image.ErrSignature, "policy.json and registries.d say which signatures count, see containers-policy.json(5)"},
	{image.ErrNoPlatform, "--any-platform takes an image for another machine all the same"},
	{image.ErrBlocked, "registries.conf blocks it, see containers-registries.conf(5)"},
	{repo.ErrNotRepository, "make a repository with 'bootc internals cfs init'"},
	{repo.ErrVerityRequired, "the file system must have the verity feature (tune2fs -O verity for ext4), or the repository --insecure"},
	{errDamaged, "'bootc internals cfs fsck --repair' removes what is damaged; pulling the images again restores it"},
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
