package layers

import (
	"encoding/binary"
	"strings"
	"testing"
)

// FuzzBootImage gives the readers of boot images what is none.
func FuzzBootImage(f *testing.F) {
	header := make([]byte, 1700)
	copy(header, "ANDROID!")
	header[36], header[37], header[40] = 0, 16, 2
	binary.LittleEndian.PutUint32(header[1644:], 1660)
	f.Add(header, uint64(len(header)))
	pe := make([]byte, 64+24+40)
	pe[60], pe[64+6] = 64, 1
	copy(pe[64:], "PE\x00\x00")
	copy(pe[88:], ".linux")
	f.Add(pe, uint64(len(pe)))
	f.Add([]byte(nil), uint64(0))
	f.Fuzz(func(t *testing.T, data []byte, size uint64) {
		_ = checkAndroidHeader(data)
		if checkSections(data, size, ".linux") == nil && !strings.Contains(string(data), ".linux") {
			t.Error("found a section that is not there")
		}
	})
}
