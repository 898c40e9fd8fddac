package setuptest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testtool"
)

// TestQEMUStaysAtHome checks that the unpacked QEMU looks for its firmware, and so for its
// modules, beside itself: those of an installed QEMU are of another build, and it would not
// start with them. It is the same for all of its directories.
func TestQEMUStaysAtHome(t *testing.T) {
	program := testtool.Path(t, "qemu-system-x86_64")
	tools := filepath.Dir(filepath.Dir(program))
	if st, err := os.Lstat(program); err != nil || st.Mode().Type() == os.ModeSymlink || filepath.Dir(program) == "/usr/bin" {
		return // it is the system's own
	}
	real, err := filepath.EvalSymlinks(tools)
	if err != nil {
		t.Fatal(err)
	}
	dirs := strings.Fields(testtool.Run(t, "", "qemu-system-x86_64", "-L", "help"))
	if len(dirs) < 2 {
		t.Errorf("it looks for firmware in %q only", dirs)
	}
	for _, dir := range dirs {
		if !strings.HasPrefix(dir, real+"/") {
			t.Errorf("it looks into %s, which is not below %s", dir, real)
		}
	}
}
