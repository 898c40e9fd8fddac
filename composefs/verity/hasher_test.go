package verity

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testtool"
)

// sizes stand around every boundary of the Merkle tree: block, and the number
// of hashes in one block of each level.
func sizes(alg Algorithm) []int {
	arity := BlockSize / alg.Size()
	var out []int
	for _, n := range []int{0, BlockSize, 2 * BlockSize, arity * BlockSize, (arity + 1) * BlockSize, 2 * arity * BlockSize, arity * arity * BlockSize} {
		for d := -1; d <= 1; d++ {
			if n+d >= 0 {
				out = append(out, n+d)
			}
		}
	}
	return out
}

func TestSumAgreesWithFsverity(t *testing.T) {
	dir := t.TempDir()
	for _, alg := range []Algorithm{SHA256, SHA512} {
		for _, size := range sizes(alg) {
			t.Run(fmt.Sprint(alg, "-", size), func(t *testing.T) {
				data := make([]byte, size)
				for i := range data {
					data[i] = byte(i*7 + i>>12)
				}
				name := filepath.Join(dir, "f")
				if err := os.WriteFile(name, data, 0o600); err != nil {
					t.Fatal(err)
				}
				out, err := exec.Command(testtool.Path(t, "fsverity"), "digest", "--compact", "--hash-alg="+alg.String(), name).Output()
				if err != nil {
					t.Fatalf("fsverity (Debian package fsverity): %v", err)
				}
				if got, want := Sum(alg, data).String(), strings.TrimSpace(string(out)); got != want {
					t.Errorf("Sum = %s, fsverity says %s", got, want)
				}
			})
		}
	}
}
