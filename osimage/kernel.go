package osimage

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// The places of kernels in an image.
const (
	modulesDir = "usr/lib/modules"
	ukiDir     = "boot/EFI/Linux"
)

// maxFile is the largest file that FAT holds, and so the largest that an EFI system
// partition can: 4 GiB less one byte.
const maxFile = 1<<32 - 1

// BootType is how a kernel comes, by the name that the status document has for it.
type BootType string

// The boot types.
const (
	BLS BootType = "Bls" // a kernel and an initramfs
	UKI BootType = "Uki" // a unified kernel image
)

// Kernel is the kernel of an image. Paths are those of an io/fs.FS of the image.
type Kernel struct {
	Version       string
	Type          BootType
	Linux, Initrd string   // of type BLS
	UKI           string   // of type UKI
	Addons        []string // of type UKI: its addons, sorted
	Size          int64    // bytes in all these files
	Digest        string   // hex SHA-256 of the kernel and the initramfs, one behind the other
}

// FindKernel finds the kernel of the image fsys. It reads the kernel and the initramfs
// from beginning to end.
func FindKernel(fsys fs.FS) (Kernel, error) {
	k, err := findKernel(fsys)
	if err != nil {
		return Kernel{}, fmt.Errorf("cannot boot the image: %w", err)
	}
	return k, nil
}

// Files are the names of all files of the kernel.
func (k Kernel) Files() []string {
	if k.Type == UKI {
		return append([]string{k.UKI}, k.Addons...)
	}
	return []string{k.Linux, k.Initrd}
}

func findKernel(fsys fs.FS) (Kernel, error) {
	k, err := locate(fsys)
	switch {
	case err != nil:
		return Kernel{}, err
	case k.Type == UKI:
		return ukiKernel(fsys, k.UKI)
	}
	return blsKernel(fsys, k.Version)
}

// Locate finds the kernel of the image fsys, without a look into its files: Size, Digest
// and Addons are not filled in, the version of a unified kernel image is its name
// without ".efi", and the initramfs need not be there.
func Locate(fsys fs.FS) (Kernel, error) {
	k, err := locate(fsys)
	if err != nil {
		return Kernel{}, fmt.Errorf("cannot find the kernel: %w", err)
	}
	return k, nil
}

func locate(fsys fs.FS) (Kernel, error) {
	versions, err := kernelVersions(fsys)
	if err != nil {
		return Kernel{}, err
	}
	ukis, err := list(fsys, ukiDir, ".efi")
	if err != nil {
		return Kernel{}, err
	}
	switch {
	case len(versions) > 1:
		return Kernel{}, fmt.Errorf("%w: versions %s; keep one of the directories below /%s",
			ErrTwoKernels, strings.Join(versions, ", "), modulesDir)
	case len(versions) == 1 && len(ukis) > 0:
		return Kernel{}, fmt.Errorf("%w: /%s and /%s; with a unified kernel image, remove vmlinuz and initramfs.img",
			ErrTwoKernels, ukis[0], path.Join(modulesDir, versions[0], "vmlinuz"))
	case len(ukis) > 0:
		return Kernel{Type: UKI, UKI: ukis[0], Version: strings.TrimSuffix(path.Base(ukis[0]), ".efi")}, nil
	case len(versions) == 1:
		dir := path.Join(modulesDir, versions[0])
		return Kernel{Type: BLS, Version: versions[0], Linux: path.Join(dir, "vmlinuz"), Initrd: path.Join(dir, "initramfs.img")}, nil
	}
	return Kernel{}, noKernel(fsys)
}

// kernelVersions lists the directories of modules that have a kernel.
func kernelVersions(fsys fs.FS) ([]string, error) {
	entries, err := fs.ReadDir(fsys, modulesDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var versions []string
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		_, err := fs.Stat(fsys, path.Join(modulesDir, e.Name(), "vmlinuz"))
		if err == nil {
			versions = append(versions, e.Name())
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return versions, nil
}

func blsKernel(fsys fs.FS, version string) (Kernel, error) {
	dir := path.Join(modulesDir, version)
	k := Kernel{Version: version, Type: BLS, Linux: path.Join(dir, "vmlinuz"), Initrd: path.Join(dir, "initramfs.img")}
	if _, err := fs.Stat(fsys, k.Initrd); errors.Is(err, fs.ErrNotExist) {
		return Kernel{}, fmt.Errorf("%w: there is no /%s; %s", ErrNoInitrd, k.Initrd, initrdHint(fsys, version))
	}
	sum := sha256.New()
	for _, name := range []string{k.Linux, k.Initrd} {
		n, err := addFile(sum, fsys, name)
		if err != nil {
			return Kernel{}, err
		}
		k.Size += n
	}
	k.Digest = hex.EncodeToString(sum.Sum(nil))
	return k, nil
}

// addFile writes the named file to w and returns its size.
func addFile(w io.Writer, fsys fs.FS, name string) (int64, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return 0, err
	}
	defer io.Closer(f).Close()
	size, err := fileSize(f, name)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(w, io.LimitReader(f, size+1))
	if err == nil && n != size {
		err = fmt.Errorf("/%s has %d bytes, but %d were read", name, size, n)
	}
	return size, err
}

// fileSize is the size of the open file called name, which must be one that can boot.
func fileSize(f fs.File, name string) (int64, error) {
	st, err := f.Stat()
	switch {
	case err != nil:
		return 0, err
	case !st.Mode().IsRegular():
		return 0, fmt.Errorf("%w: /%s is no regular file", ErrNotBootable, name)
	case st.Size() == 0:
		return 0, fmt.Errorf("%w: /%s is empty", ErrNotBootable, name)
	case st.Size() > maxFile:
		return 0, fmt.Errorf("%w: /%s has %d bytes, but no file of a boot partition can have more than %d",
			ErrNotBootable, name, st.Size(), int64(maxFile))
	}
	return st.Size(), nil
}

// list returns the paths of the entries of dir that end in suffix, sorted; none if
// there is no such directory.
func list(fsys fs.FS, dir, suffix string) ([]string, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix) {
			names = append(names, path.Join(dir, e.Name()))
		}
	}
	return names, nil
}
