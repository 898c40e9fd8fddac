package sysroot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf16"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/bootloader"
)

// What the boot loader says of itself: https://systemd.io/BOOT_LOADER_INTERFACE.
const (
	efivars    = "sys/firmware/efi/efivars"
	loaderGUID = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
	loaderInfo = "LoaderInfo-" + loaderGUID
	loaderPart = "LoaderDevicePartUUID-" + loaderGUID
)

// loaderVariable is the text that the boot loader left in an EFI variable, ""
// if it left none or the firmware is not UEFI.
func loaderVariable(root, name string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(root, efivars, name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read what the boot loader left: %w", err)
	}
	text, err := parseVariable(raw)
	if err != nil {
		return "", fmt.Errorf("EFI variable %s: %w", name, err)
	}
	return text, nil
}

// parseVariable reads a file of efivarfs that holds a text: four bytes of
// attributes, then UTF-16 that ends with a zero.
func parseVariable(raw []byte) (string, error) {
	if len(raw) < 4 || len(raw)%2 != 0 {
		return "", fmt.Errorf("%d bytes are no UTF-16 text", len(raw))
	}
	var text []uint16
	for raw = raw[4:]; len(raw) > 0; raw = raw[2:] {
		c := binary.LittleEndian.Uint16(raw)
		if c == 0 {
			break
		}
		text = append(text, c)
	}
	return string(utf16.Decode(text)), nil
}

// findLoader finds out which boot loader started the host. systemd-boot always
// says its name; but a kernel for real-time work may not read it, and then the
// place of the boot entries tells. GRUB has a grub.cfg beside them; without, somebody
// else cares for the loader.
func (h *Host) findLoader() error {
	info, err := loaderVariable(h.root, loaderInfo)
	if err != nil {
		return err
	}
	h.Kind = loaderKind(info)
	switch onESP, inBoot := has(h.Files.ESP, entries), has(h.Files.Boot, entries); {
	case info != "":
	case onESP && !inBoot:
		h.Kind = bootloader.Systemd
	case inBoot && !has(h.Files.Boot, entries+"/grub.cfg"):
		h.Kind = bootloader.None
	}
	if h.Kind != bootloader.GRUB && h.Kind != bootloader.None && h.Files.ESP == nil {
		return errNoESP
	}
	return nil
}

const entries = "loader/entries"

func has(dir *os.File, name string) bool {
	var st unix.Stat_t
	return dir != nil && unix.Fstatat(int(dir.Fd()), name, &st, 0) == nil
}

// loaderKind is the boot loader that calls itself info. GRUB says nothing, or
// "GRUB 2.12"; without UEFI nobody does.
func loaderKind(info string) bootloader.Kind {
	info = strings.ToLower(info)
	switch {
	case strings.Contains(info, "systemd-boot"):
		return bootloader.Systemd
	case strings.Contains(info, "grub cc"):
		return bootloader.GRUBCC
	}
	return bootloader.GRUB
}
