package tree

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testtool"
)

// throughTheirImage has mkcomposefs make an image of the dump and
// composefs-info a dump of the image.
func throughTheirImage(t *testing.T, dump []byte) string {
	t.Helper()
	dir := t.TempDir()
	in, image := filepath.Join(dir, "dump"), filepath.Join(dir, "image")
	if err := os.WriteFile(in, dump, 0o600); err != nil {
		t.Fatal(err)
	}
	// In version 1 composefs-info shows the opaque mark that a directory with
	// whiteouts gets in the image as if it had been there before.
	if out, err := exec.Command(testtool.Path(t, "mkcomposefs"), "--max-version=0", "--from-file", in, image).CombinedOutput(); err != nil {
		t.Fatalf("mkcomposefs refuses our dump: %v: %s", err, out)
	}
	out, err := exec.Command(testtool.Path(t, "composefs-info"), "dump", image).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// inOurStyle undoes the only differences between what composefs-info and we
// write of the same tree:
//
//   - directories have the size that they take in the image, and we write 0;
//   - lines of hard links repeat the fields of the inode, which nobody reads;
//   - xattrs come in the order of the image, which puts the shared ones first.
func inOurStyle(dump string) string {
	lines := strings.SplitAfter(dump, "\n")
	for i, line := range lines {
		f := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		if len(f) < 11 {
			continue
		}
		switch {
		case strings.HasPrefix(f[2], "@"):
			f = []string{f[0], "0", "@120000", "-", "-", "-", "-", "0.0", f[8], "-", "-"}
		case len(f[2]) == 5 && f[2][0] == '4':
			f[1] = "0"
		}
		slices.Sort(f[11:])
		lines[i] = strings.Join(f, " ") + "\n"
	}
	return strings.Join(lines, "")
}

func dumpOf(t testing.TB, root *Node) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteDump(&b, root); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestDumpGoesThroughTheirTools(t *testing.T) {
	t.Parallel()
	trees := map[string]*Node{"system": systemTree(500)}
	for seed := range uint64(40) {
		trees[fmt.Sprint("random-", seed)] = randomTree(seed)
	}
	for name, root := range trees {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours := dumpOf(t, root)
			theirs := inOurStyle(throughTheirImage(t, ours))
			if string(ours) == theirs {
				return
			}
			back, err := ReadDump(strings.NewReader(theirs))
			if err != nil {
				t.Fatal(err)
			}
			for c := range Diff(root, back) {
				t.Error(c)
			}
			t.Error("the dumps differ")
		})
	}
}
