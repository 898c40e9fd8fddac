package seal

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/bootc-go/bootc/internal/atomicfile"
	"github.com/bootc-go/bootc/osimage"
)

// Extract writes the kernel and the initramfs of the unified kernel image called name
// to <output>/<version>/vmlinuz and initramfs.img, as [Split] does, and returns that
// directory, which must not be there yet. If it ends with an error the directory may
// have one of the two files, whole.
func Extract(name, output string) (string, error) {
	dir, err := extract(name, output)
	if err != nil {
		return "", fmt.Errorf("cannot extract the kernel of %s: %w", name, err)
	}
	return dir, nil
}

func extract(name, output string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	version, err := osimage.UKIVersion(f)
	if err != nil {
		return "", err
	}
	files := map[string]*io.SectionReader{}
	for to, section := range map[string]string{"vmlinuz": ".linux", "initramfs.img": ".initrd"} {
		if files[to], err = osimage.UKISection(f, section); err != nil {
			return "", err
		}
	}
	if err := os.MkdirAll(output, 0o755); err != nil {
		return "", err
	}
	to := filepath.Join(output, version)
	if err := os.Mkdir(to, 0o755); err != nil {
		return "", err
	}
	dir, err := os.Open(to)
	if err != nil {
		return "", err
	}
	defer dir.Close()
	for _, to := range []string{"vmlinuz", "initramfs.img"} {
		fill := func(w io.Writer) error {
			n, err := io.Copy(w, files[to])
			if err == nil && n != files[to].Size() {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		if err := atomicfile.Write(dir, to, 0o644, fill); err != nil {
			return "", fmt.Errorf("%s: %w", to, err)
		}
	}
	return to, nil
}
