package osimage

import (
	"crypto/sha256"
	"debug/pe"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/bootc-go/bootc/kargs"
)

// maxText is how many bytes a section may have that is read into memory.
const maxText = 1 << 16

// UKICmdline returns the command line in the unified kernel image r.
func UKICmdline(r io.ReaderAt) (kargs.Line, error) {
	text, err := ukiText(r, ".cmdline")
	if err != nil {
		return nil, fmt.Errorf("cannot read the command line of the unified kernel image: %w", err)
	}
	return kargs.Parse(text), nil
}

// UKISection is the content of a section of the unified kernel image r, ".initrd" for
// instance.
func UKISection(r io.ReaderAt, name string) (*io.SectionReader, error) {
	image, err := newUKI(r)
	if err != nil {
		return nil, err
	}
	return image.section(name)
}

// UKIVersion is the version of the kernel in the unified kernel image r, of which a
// directory can be named.
func UKIVersion(r io.ReaderAt) (string, error) {
	version, err := ukiText(r, ".uname")
	if err == nil && (version == "" || version != path.Base(path.Clean("/"+version))) {
		err = fmt.Errorf("%w: %q is no version of a kernel", ErrNotBootable, version)
	}
	if err != nil {
		return "", fmt.Errorf("cannot read the version of the kernel: %w", err)
	}
	return version, nil
}

func ukiText(r io.ReaderAt, name string) (string, error) {
	image, err := newUKI(r)
	if err != nil {
		return "", err
	}
	return image.text(name)
}

func ukiKernel(fsys fs.FS, name string) (Kernel, error) {
	addons, err := list(fsys, name+".extra.d", addonSuffix)
	if err != nil {
		return Kernel{}, err
	}
	k := Kernel{Type: UKI, UKI: name, Addons: addons}
	if err := k.readUKI(fsys); err != nil {
		return Kernel{}, fmt.Errorf("/%s: %w", name, err)
	}
	for _, addon := range addons {
		n, err := addFile(io.Discard, fsys, addon)
		if err != nil {
			return Kernel{}, err
		}
		k.Size += n
	}
	return k, nil
}

// readUKI fills in what the image at k.UKI says.
func (k *Kernel) readUKI(fsys fs.FS) error {
	f, err := fsys.Open(k.UKI)
	if err != nil {
		return err
	}
	defer io.Closer(f).Close()
	if k.Size, err = fileSize(f, k.UKI); err != nil {
		return err
	}
	r, ok := f.(io.ReaderAt)
	if !ok {
		return errors.New("internal error: cannot be read at an offset")
	}
	image, err := newUKI(r)
	if err != nil {
		return err
	}
	if k.Digest, err = image.digest(); err != nil {
		return err
	}
	k.Version, err = image.text(".uname")
	if errors.Is(err, errNoSection) || err == nil && k.Version == "" {
		k.Version, err = strings.TrimSuffix(path.Base(k.UKI), ".efi"), nil
	}
	return err
}

var errNoSection = fmt.Errorf("%w: missing section", ErrNotBootable)

// uki is a unified kernel image: a program of the firmware that carries a kernel and
// an initramfs as sections.
type uki struct{ file *pe.File }

func newUKI(r io.ReaderAt) (uki, error) {
	f, err := pe.NewFile(r)
	if err != nil {
		return uki{}, fmt.Errorf("%w: not a unified kernel image: %w", ErrNotBootable, err)
	}
	return uki{f}, nil
}

// section is the named section. Its virtual size is what it holds; on disk it may
// be filled up to a multiple of the alignment.
func (u uki) section(name string) (*io.SectionReader, error) {
	s := u.file.Section(name)
	if s == nil {
		return nil, fmt.Errorf("%w %s", errNoSection, name)
	}
	if s.VirtualSize > s.Size {
		return nil, fmt.Errorf("%w: section %s claims %d bytes and has %d", ErrNotBootable, name, s.VirtualSize, s.Size)
	}
	return io.NewSectionReader(s, 0, int64(s.VirtualSize)), nil
}

// text is the content of a short section, without the white space and the zero
// bytes behind it.
func (u uki) text(name string) (string, error) {
	s, err := u.section(name)
	if err != nil {
		return "", err
	}
	if s.Size() > maxText {
		return "", fmt.Errorf("%w: section %s has %d bytes, more than %d", ErrNotBootable, name, s.Size(), maxText)
	}
	data := make([]byte, s.Size())
	if _, err := io.ReadFull(s, data); err != nil {
		return "", fmt.Errorf("section %s: %w", name, err)
	}
	return strings.TrimRight(string(data), "\x00 \t\r\n"), nil
}

func (u uki) digest() (string, error) {
	sum := sha256.New()
	for _, name := range []string{".linux", ".initrd"} {
		s, err := u.section(name)
		if err != nil {
			return "", err
		}
		n, err := io.Copy(sum, s)
		if err != nil {
			return "", fmt.Errorf("section %s: %w", name, err)
		}
		if n == 0 || n != s.Size() {
			return "", fmt.Errorf("%w: section %s has %d bytes, but %d were read", ErrNotBootable, name, s.Size(), n)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
