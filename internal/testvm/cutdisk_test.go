package testvm_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"github.com/bootc-go/bootc/internal/testtool"
	"github.com/bootc-go/bootc/internal/testvm"
)

// TestCutDisk has QEMU's own client write to the disk, and looks at what is there
// after power cuts.
func TestCutDisk(t *testing.T) {
	t.Parallel()
	const block = 64 << 10
	base := testvm.Blank(t, 1<<20)
	d := testvm.NewCutDisk(t, base)
	args := []string{"-f", "raw", "-t", "writeback", d.URL()}
	for i, c := range []string{"write -P 1", "flush", "write -P 2", "write -P 3", "flush", "write -f -P 4", "write -P 5", "write -z"} {
		if c != "flush" {
			c = fmt.Sprintf("%s %d %d", c, []int{0, 0, 1, 0, 0, 2, 3, 1}[i]*block, block)
		}
		args = append(args, "-c", c)
	}
	args = append(args, "-c", fmt.Sprintf("read -P 3 0 %d", block))
	if out, err := exec.Command(testtool.Path(t, "qemu-io"), args...).CombinedOutput(); err != nil || bytes.Contains(out, []byte("failed")) {
		t.Fatalf("qemu-io: %v\n%s", err, out)
	}
	if now := d.Now(); now < 8 {
		t.Fatalf("%d writes and flushes are recorded, want 8 or more", now)
	}
	// For each block, the values that it may have in each of its sectors.
	tests := []struct {
		name   string
		moment int
		want   [4]string
	}{
		{"before all", 0, [4]string{"\x00", "\x00", "\x00", "\x00"}},
		{"before the first flush", 1, [4]string{"\x00\x01", "\x00", "\x00", "\x00"}},
		{"at the first flush", 2, [4]string{"\x01", "\x00", "\x00", "\x00"}},
		{"before the second flush", 4, [4]string{"\x01\x03", "\x00\x02", "\x00", "\x00"}},
		{"at the second flush", 5, [4]string{"\x03", "\x02", "\x00", "\x00"}},
		{"after a durable write", 7, [4]string{"\x03", "\x02", "\x04", "\x00\x05"}},
		{"the end of the writes", 8, [4]string{"\x03", "\x02\x00", "\x04", "\x00\x05"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := os.ReadFile(d.Cut(t, tt.moment, rand.New(rand.NewPCG(1, 2))))
			if err != nil {
				t.Fatal(err)
			}
			for b, allowed := range tt.want {
				values := map[byte]bool{}
				for _, v := range got[b*block : (b+1)*block] {
					values[v] = true
				}
				if len(values) != len(allowed) { // both of two: there are 16 sectors
					t.Errorf("block %d holds %v, want %q", b, values, allowed)
				}
				for v := range values {
					if bytes.IndexByte([]byte(allowed), v) < 0 {
						t.Errorf("block %d holds %d, want %q", b, v, allowed)
					}
				}
			}
		})
	}
	if got := d.Flushes(0, 5); len(got) != 2 || got[0] != 1 || got[1] != 4 {
		t.Errorf("flushes at %v, want 1 and 4", got)
	}
}
