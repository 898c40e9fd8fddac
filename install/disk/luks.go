package disk

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrNoTPM means that the machine has no TPM that a disk could be bound to.
var ErrNoTPM = errors.New("no TPM 2.0 found")

// CheckEncryption refuses a machine, whose /sys and /dev are below root, on which Encrypt
// would not work: before anything is changed.
func CheckEncryption(ctx context.Context, root string) error {
	if err := checkEncryption(ctx, root); err != nil {
		return fmt.Errorf("cannot encrypt the root: %w", err)
	}
	return nil
}

func checkEncryption(ctx context.Context, root string) error {
	if err := NeedTools("cryptsetup", "systemd-cryptenroll"); err != nil {
		return err
	}
	found, _ := filepath.Glob(filepath.Join(root, "sys/class/tpmrm/*")) // the pattern is good
	switch len(found) {
	case 0:
		return fmt.Errorf("%w: the firmware may have it turned off, and a virtual machine has it of its hypervisor", ErrNoTPM)
	case 1:
	default:
		return fmt.Errorf("the machine has %d TPMs, and nothing says which one is meant", len(found))
	}
	if _, err := os.Stat(filepath.Join(root, "dev", filepath.Base(found[0]))); err != nil {
		return fmt.Errorf("%w: a container needs the host's /dev (-v /dev:/dev)", err)
	}
	if _, err := os.Stat(filepath.Join(root, "dev/mapper/control")); err != nil {
		return fmt.Errorf("%w: is dm_mod loaded? A container needs the host's /dev (-v /dev:/dev)", err)
	}
	// It may have been built without, or lack the libraries for it.
	if _, err := Tool(ctx, "", "systemd-cryptenroll", "--tpm2-device=list"); err != nil {
		return fmt.Errorf("%w (the libraries for it come with the Debian package tpm2-tools)", err)
	}
	return nil
}

// Encrypted is what is written in clear of a partition that is encrypted.
type Encrypted struct {
	*Partition
	UUID string // of the LUKS volume
}

// Encrypt makes a LUKS volume of the partition, which the TPM of this machine opens, and
// nobody and nothing else does: there is no passphrase.
//
// Like all that this package makes, the device ends with the descriptors that hold it.
func (p *Partition) Encrypt(ctx context.Context) (*Encrypted, error) {
	e, err := p.encrypt(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot encrypt %s: %w", p.Name(), err)
	}
	return e, nil
}

// encrypt binds to no PCR: what they hold now is of the system that installs, and the
// host's may never be the same: docs/adr/0041-an-encrypted-root-is-bound-to-no-pcr.md.
func (p *Partition) encrypt(ctx context.Context) (*Encrypted, error) {
	// It is known to nobody, and in no file. It may be weak against guessing, for it
	// is random and soon gone.
	passphrase := rand.Text()
	uuid := newUUID()
	steps := [][]string{
		{"cryptsetup", "luksFormat", "--batch-mode", "--type=luks2", "--uuid=" + uuid, "--pbkdf=pbkdf2", "--pbkdf-force-iterations=1000", "--key-file=-", p.Name()},
		{"systemd-cryptenroll", "--unlock-key-file=/proc/self/fd/0", "--wipe-slot=all", "--tpm2-device=auto", "--tpm2-pcrs=", p.Name()},
	}
	for _, s := range steps {
		if err := uninterrupted(ctx, passphrase, s[0], s[1:]...); err != nil {
			return nil, err
		}
	}
	opened, err := p.unlock(ctx, "luks-"+uuid)
	if err != nil {
		return nil, err
	}
	return &Encrypted{opened, uuid}, nil
}

// uninterrupted lets a program end that leaves devices behind when it is killed. It
// takes seconds.
func uninterrupted(ctx context.Context, input, name string, args ...string) error {
	if _, err := Tool(context.WithoutCancel(ctx), input, name, args...); err != nil {
		return err
	}
	return ctx.Err()
}

// unlock opens the volume as the host will: by its TPM. Whoever opens the device keeps
// it, and when the last one closes it the kernel removes it.
func (p *Partition) unlock(ctx context.Context, name string) (*Partition, error) {
	err := uninterrupted(ctx, "", "cryptsetup", "open", "--token-only", p.Name(), name)
	if err != nil {
		return nil, errors.Join(err, closeMapped(ctx, name))
	}
	f, err := openMapped(ctx, name)
	if err := errors.Join(err, closeMapped(ctx, name)); err != nil {
		if f != nil {
			f.Close()
		}
		return nil, err
	}
	return &Partition{f}, nil
}

// closeMapped removes the device called name, if there is one, as soon as nobody has it.
func closeMapped(ctx context.Context, name string) error {
	if dir, err := mapped(name); err != nil || dir == "" {
		return err
	}
	return uninterrupted(context.WithoutCancel(ctx), "", "cryptsetup", "close", "--deferred", name)
}

// openMapped opens the device called name by the kernel's own node, which is there
// without udev.
func openMapped(ctx context.Context, name string) (*os.File, error) {
	dir, err := mapped(name)
	if err != nil {
		return nil, err
	}
	if dir == "" {
		return nil, errors.New("the kernel does not know the device")
	}
	number, err := describedNumber(dir)
	if err != nil {
		return nil, err
	}
	return openNode(ctx, deviceName(dir), number)
}

// mapped is the directory in which the kernel describes the device called name; "" if
// there is none.
func mapped(name string) (string, error) {
	files, err := filepath.Glob("/sys/block/dm-*/dm/name")
	if err != nil {
		return "", err
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(text)) == name {
			return filepath.Dir(filepath.Dir(file)), nil
		}
	}
	return "", nil
}

// Close waits until the kernel has closed the volume, which nobody may use any more.
func (e *Encrypted) Close(ctx context.Context) error {
	number, err := deviceNumber(e.File)
	if err != nil {
		return err
	}
	name := e.Name()
	if err := e.File.Close(); err != nil {
		return err
	}
	late := fmt.Errorf("cannot close the encrypted root: %s is %w", name, ErrInUse)
	return wait(context.WithoutCancel(ctx), 100, late, func() (bool, error) {
		_, err := os.Stat(filepath.Join("/sys/dev/block", number.String()))
		if errors.Is(err, unix.ENOENT) {
			return true, nil
		}
		return false, err
	})
}
