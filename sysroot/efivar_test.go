package sysroot

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf16"

	"github.com/bootc-go/bootc/bootloader"
)

// variable is a file of efivarfs as the Linux documentation describes it
// (Documentation/filesystems/efivarfs.rst): attributes, then the value.
func variable(text string) string {
	raw := []byte{6, 0, 0, 0}
	for _, c := range utf16.Encode([]rune(text + "\x00")) {
		raw = binary.LittleEndian.AppendUint16(raw, c)
	}
	return string(raw)
}

func TestParseVariable(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"\x06\x00\x00\x00s\x00d\x00\x00\x00":       "sd",
		"\x06\x00\x00\x00s\x00":                    "s", // not terminated
		"\x06\x00\x00\x00":                         "",
		"\x06\x00\x00\x00a\x00\x00\x00b\x00":       "a",
		"\x06\x00\x00\x00\xe9\x00\x3d\xd8\x00\xde": "é😀",
	} {
		if got, err := parseVariable([]byte(raw)); err != nil || got != want {
			t.Errorf("%q: %q, %v", raw, got, err)
		}
	}
	for _, raw := range []string{"", "\x06\x00\x00", "\x06\x00\x00\x00s"} {
		if got, err := parseVariable([]byte(raw)); err == nil {
			t.Errorf("%q: %q", raw, got)
		}
	}
}

func TestLoaderKind(t *testing.T) {
	t.Parallel()
	for info, want := range map[string]bootloader.Kind{
		"systemd-boot 257.7-1": bootloader.Systemd, "grub CC 1.0": bootloader.GRUBCC,
		"GRUB 2.12": bootloader.GRUB, "": bootloader.GRUB, "rEFInd": bootloader.GRUB,
	} {
		if got := loaderKind(info); got != want {
			t.Errorf("%q: %s", info, got)
		}
	}
}

func FuzzVariable(f *testing.F) {
	f.Add([]byte(variable("systemd-boot")))
	f.Fuzz(func(t *testing.T, raw []byte) {
		text, err := parseVariable(raw)
		if err != nil {
			return
		}
		if again, err := parseVariable([]byte(variable(text))); err != nil || again != text {
			t.Errorf("%q: %q, then %q, %v", raw, text, again, err)
		}
	})
}

// A kernel that reads no EFI variables: GRUB is silent anyway, so the place of the
// boot entries tells.
func TestLoaderKindWithoutVariables(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		dirs []string
		want bootloader.Kind
	}{
		"systemd-boot": {[]string{"efi/loader/entries"}, bootloader.Systemd},
		"GRUB":         {[]string{"sysroot/boot/loader/entries/grub.cfg"}, bootloader.GRUB},
		"both":         {[]string{"efi/loader/entries", "sysroot/boot/loader/entries/grub.cfg"}, bootloader.GRUB},
		"none":         {[]string{"sysroot/boot/loader/entries"}, bootloader.None},
		"neither":      {nil, bootloader.GRUB},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.mounted(t, "/efi", "vfat")
			for _, dir := range append(tt.dirs, efivars) {
				if err := os.MkdirAll(filepath.Join(h.dir, dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if got := h.open(t, false).Kind; got != tt.want {
				t.Error(got)
			}
		})
	}
}
