package layers

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/bootc-go/bootc/composefs/tree"
)

// maxHeaders is how many bytes of a boot image are searched for headers.
const maxHeaders = 16 << 20

// android checks the images for the boot partitions of Android devices: at most
// one aboot-VERSION.img, and a vbmeta-VERSION.img only with it.
func (c *bootChecker) android(path string, dir *tree.Node) {
	images := 0
	for name, n := range dir.Children() {
		if version, ok := between(name, "aboot-", ".img"); ok {
			images++
			if err := c.androidImage(dir, n, version); err != nil {
				c.fault(path+"/"+name, err)
			}
		}
		if version, ok := between(name, "vbmeta-", ".img"); ok {
			if image := dir.Child("aboot-" + version + ".img"); image == nil || !image.IsRegular() {
				c.fault(path+"/"+name, fmt.Errorf("there is no aboot-%s.img to it", version))
			}
		}
	}
	if images > 1 {
		c.fault(path, errors.New("more than one aboot-*.img"))
	}
	if images > 0 && c.kernels > 0 {
		c.fault(path, errors.New("an aboot-*.img cannot stand beside other kernels"))
	}
}

// between returns what stands between prefix and suffix in name.
func between(name, prefix, suffix string) (string, bool) {
	name, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(name, suffix)
}

func (c *bootChecker) androidImage(dir, n *tree.Node, version string) error {
	if version == "" || !utf8.ValidString(version) {
		return errors.New("the name has no version")
	}
	if !n.IsRegular() {
		return errNotRegular
	}
	vbmeta := dir.Child("vbmeta-" + version + ".img")
	if vbmeta != nil && !vbmeta.IsRegular() {
		return fmt.Errorf("vbmeta-%s.img: %w", version, errNotRegular)
	}
	data, err := c.prefix(n, maxHeaders)
	if err != nil {
		return err
	}
	if strings.HasPrefix(string(data), "ANDROID!") {
		return checkAndroidHeader(data)
	}
	if vbmeta != nil {
		return errors.New("a unified kernel image has no vbmeta image")
	}
	return checkSections(data, n.Size(), ".linux", ".initrd")
}

// checkAndroidHeader checks the header of version 2 of Android's boot image
// (mkbootimg, include/bootimg/bootimg.h).
func checkAndroidHeader(data []byte) error {
	const size = 1660
	if len(data) < size {
		return errors.New("the Android boot image ends in its header")
	}
	pageSize := binary.LittleEndian.Uint32(data[36:])
	version := binary.LittleEndian.Uint32(data[40:])
	headerSize := binary.LittleEndian.Uint32(data[1644:])
	if version != 2 {
		return fmt.Errorf("an Android boot image of version %d, not 2", version)
	}
	if pageSize == 0 || headerSize < size || headerSize > pageSize {
		return errors.New("malformed header of an Android boot image")
	}
	return nil
}

var errNotPE = errors.New("neither an Android boot image nor a unified kernel image")

// checkSections checks that a PE image of size bytes, which begins with data,
// has the named sections.
func checkSections(data []byte, size uint64, names ...string) error {
	table, err := sectionTable(data)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !hasSection(table, size, name) {
			return fmt.Errorf("a unified kernel image without section %s", name)
		}
	}
	return nil
}

const sectionSize = 40 // of a section header

// sectionTable returns the section headers of a PE image.
func sectionTable(data []byte) ([]byte, error) {
	if len(data) < 64 {
		return nil, errNotPE
	}
	pe := uint64(binary.LittleEndian.Uint32(data[60:]))
	if pe+24 > uint64(len(data)) || string(data[pe:pe+4]) != "PE\x00\x00" {
		return nil, errNotPE
	}
	count := uint64(binary.LittleEndian.Uint16(data[pe+6:]))
	start := pe + 24 + uint64(binary.LittleEndian.Uint16(data[pe+20:]))
	end := start + count*sectionSize
	if end > uint64(len(data)) {
		return nil, errNotPE
	}
	return data[start:end], nil
}

// hasSection reports whether the first section called name lies within the
// image.
func hasSection(table []byte, size uint64, name string) bool {
	for ; len(table) > 0; table = table[sectionSize:] {
		if strings.TrimRight(string(table[:8]), "\x00") != name {
			continue
		}
		length := uint64(binary.LittleEndian.Uint32(table[8:]))
		start := uint64(binary.LittleEndian.Uint32(table[20:]))
		return start+length <= size
	}
	return false
}
