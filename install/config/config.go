// Package config is the configuration of an installation: the files
// bootc/install/*.toml of an OS image or of the system that installs it, and how
// they are merged (docs/reference/install-config.md).
package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Config is what the files say. A nil field was said by none.
type Config struct {
	RootFSType                *Filesystem  `toml:"root-fs-type" json:"root-fs-type"`
	Block                     []BlockSetup `toml:"block" json:"block"`
	Filesystems               *Filesystems `toml:"filesystem" json:"filesystem"`
	Kargs                     []string     `toml:"kargs" json:"kargs,omitempty"`
	KargDeletes               []string     `toml:"karg-deletes" json:"karg-deletes,omitempty"`
	MatchArchitectures        []string     `toml:"match-architectures" json:"match-architectures"`
	OSTree                    *OSTree      `toml:"ostree" json:"ostree"`
	Stateroot                 *string      `toml:"stateroot" json:"stateroot"`
	RootMountSpec             *string      `toml:"root-mount-spec" json:"root-mount-spec"`
	BootMountSpec             *string      `toml:"boot-mount-spec" json:"boot-mount-spec"`
	Bootupd                   *Bootupd     `toml:"bootupd" json:"bootupd"`
	Bootloader                *Bootloader  `toml:"bootloader" json:"bootloader"`
	DiscoverablePartitions    *bool        `toml:"discoverable-partitions" json:"discoverable-partitions"`
	EnforceContainerSigpolicy *bool        `toml:"enforce-container-sigpolicy" json:"enforce-container-sigpolicy"`

	none bool // there is no file
}

// Filesystems are the tables below install.filesystem.
type Filesystems struct {
	Root *RootFilesystem `toml:"root" json:"root"`
}

// RootFilesystem is the table install.filesystem.root.
type RootFilesystem struct {
	Type *Filesystem `toml:"type" json:"type"`
}

// OSTree is the table install.ostree, which is read for the sake of images that
// serve other installers, too.
type OSTree struct {
	BLSAppendExceptDefault *string `toml:"bls-append-except-default" json:"bls-append-except-default"`
}

// Bootupd is the table install.bootupd, read for the same reason as OSTree.
type Bootupd struct {
	SkipBootUUID *bool `toml:"skip-boot-uuid" json:"skip-boot-uuid"`
}

// Filesystem is a type of file system that can be the root.
type Filesystem string

// The file systems.
const (
	XFS   Filesystem = "xfs"
	Ext4  Filesystem = "ext4"
	Btrfs Filesystem = "btrfs"
)

// KnownFilesystems are all of them.
func KnownFilesystems() []Filesystem { return []Filesystem{Ext4, XFS, Btrfs} }

// ParseFilesystem is the file system called s.
func ParseFilesystem(s string) (Filesystem, error) {
	return oneOf("file system", s, KnownFilesystems()...)
}

// BlockSetup is how the root lies on its disk.
type BlockSetup string

// The block setups.
const (
	Direct   BlockSetup = "direct"
	TPM2LUKS BlockSetup = "tpm2-luks"
)

// ParseBlockSetup is the block setup called s.
func ParseBlockSetup(s string) (BlockSetup, error) {
	return oneOf("block setup", s, Direct, TPM2LUKS)
}

// Bootloader is a boot loader by the name that users give it.
type Bootloader string

// The boot loaders.
const (
	GRUB        Bootloader = "grub"
	GRUBCC      Bootloader = "grub-cc"
	SystemdBoot Bootloader = "systemd"
	NoLoader    Bootloader = "none"
)

// KnownBootloaders are all of them.
func KnownBootloaders() []Bootloader { return []Bootloader{SystemdBoot, GRUB, GRUBCC, NoLoader} }

// ParseBootloader is the boot loader called s.
func ParseBootloader(s string) (Bootloader, error) {
	return oneOf("boot loader", s, KnownBootloaders()...)
}

func oneOf[T ~string](what, s string, known ...T) (T, error) {
	if !slices.Contains(known, T(s)) {
		return "", fmt.Errorf("unknown %s %q (want one of %s)", what, s, strings.Trim(fmt.Sprint(known), "[]"))
	}
	return T(s), nil
}

// check refuses values that there are not.
func (c *Config) check() error {
	var errs []error
	if c.RootFSType != nil {
		_, err := ParseFilesystem(string(*c.RootFSType))
		errs = append(errs, err)
	}
	if c.Filesystems != nil && c.Filesystems.Root != nil && c.Filesystems.Root.Type != nil {
		_, err := ParseFilesystem(string(*c.Filesystems.Root.Type))
		errs = append(errs, err)
	}
	for _, s := range c.Block {
		_, err := ParseBlockSetup(string(s))
		errs = append(errs, err)
	}
	if c.Bootloader != nil {
		_, err := ParseBootloader(string(*c.Bootloader))
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// merge lays o over c: what o says replaces what c says, lists of kernel
// arguments are appended.
func (c *Config) merge(o *Config) {
	over(&c.RootFSType, o.RootFSType)
	if o.Block != nil {
		c.Block = o.Block
	}
	if o.Filesystems != nil && o.Filesystems.Root != nil {
		c.setRootType(o.Filesystems.Root.Type)
	}
	c.Kargs = append(c.Kargs, o.Kargs...)
	c.KargDeletes = append(c.KargDeletes, o.KargDeletes...)
	over(&c.OSTree, o.OSTree)
	over(&c.Stateroot, o.Stateroot)
	over(&c.RootMountSpec, o.RootMountSpec)
	over(&c.BootMountSpec, o.BootMountSpec)
	over(&c.Bootupd, o.Bootupd)
	over(&c.Bootloader, o.Bootloader)
	over(&c.DiscoverablePartitions, o.DiscoverablePartitions)
	over(&c.EnforceContainerSigpolicy, o.EnforceContainerSigpolicy)
}

func over[T any](dst **T, src *T) {
	if src != nil {
		*dst = src
	}
}

func (c *Config) setRootType(t *Filesystem) {
	if t != nil {
		c.Filesystems = &Filesystems{Root: &RootFilesystem{Type: t}}
	}
}

// complete makes the two spellings of the root's type say the same, of which the
// newer one counts, and fills in the default.
func (c *Config) complete() {
	if c.Filesystems != nil && c.Filesystems.Root != nil && c.Filesystems.Root.Type != nil {
		c.RootFSType = c.Filesystems.Root.Type
	}
	c.setRootType(c.RootFSType)
	if c.Block == nil {
		c.Block = []BlockSetup{Direct}
	}
}

// BlockSetups are those that are allowed, the default first. Where there is no
// configuration, also none of this, all are.
func (c *Config) BlockSetups() []BlockSetup {
	if c == nil || c.none {
		return []BlockSetup{Direct, TPM2LUKS}
	}
	return c.Block
}

// JSON is the configuration as print-configuration shows it to programs that
// partition the disk themselves; with all, also what the installation itself
// does for them.
func (c *Config) JSON(all bool) ([]byte, error) {
	shown := *c
	if !all {
		shown.Kargs, shown.KargDeletes = nil, nil
	}
	return json.Marshal(shown)
}
