package initrd

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testtool"
)

func named(want string) func(string) bool {
	return func(name string) bool { return name == want }
}

func TestFormats(t *testing.T) {
	t.Parallel()
	const there = "usr/lib/bootc/initramfs-setup"
	system := testtool.CPIO(t, there)
	early := append(testtool.CPIO(t, "kernel/x86/microcode/GenuineIntel.bin"), make([]byte, 512)...)
	for name, tool := range map[string][]string{
		"gzip": {"gzip", "-c"}, "zstd": {"zstd", "-qc", "--long=27"}, "xz": {"xz", "-c", "--check=crc32"}, "plain": {"cat"},
	} {
		cmd := exec.CommandContext(t.Context(), testtool.Path(t, tool[0]), tool[1:]...)
		cmd.Stdin = bytes.NewReader(system)
		packed, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, image := range [][]byte{packed, append(slices.Clone(early), packed...)} {
			if has, err := Has(bytes.NewReader(image), named(there)); !has || err != nil {
				t.Errorf("%s: %v, %v", name, has, err)
			}
			if has, err := Has(bytes.NewReader(image), named("usr/lib/bootc")); has || err != nil {
				t.Errorf("%s: a directory: %v, %v", name, has, err)
			}
			if _, err := Has(bytes.NewReader(image[:len(image)-len(packed)/2]), named("other")); err == nil {
				t.Errorf("%s: what is cut off is an archive", name)
			}
		}
	}
}

func TestUnknownFormats(t *testing.T) {
	t.Parallel()
	if _, err := Has(strings.NewReader("BZh91AY&SY..."), named("x")); !errors.Is(err, ErrUnknownFormat) {
		t.Errorf("bzip2: %v", err)
	}
	var twice bytes.Buffer
	w := gzip.NewWriter(&twice)
	for range 2 {
		inner := slices.Clone(twice.Bytes())
		twice.Reset()
		w.Reset(&twice)
		_, _ = w.Write(append(inner, "\x1f\x8b 6"...))
		w.Close()
	}
	if _, err := Has(&twice, named("x")); !errors.Is(err, ErrUnknownFormat) {
		t.Errorf("packed twice: %v", err)
	}
}

func FuzzInitramfs(f *testing.F) {
	f.Add([]byte("070701" + strings.Repeat("0", 88) + "0000000B" + strings.Repeat("0", 8) + "TRAILER!!!\x00\x00\x00\x00"))
	f.Add([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = Has(bytes.NewReader(data), named("x"))
	})
}
