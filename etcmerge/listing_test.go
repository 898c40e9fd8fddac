package etcmerge

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/testtool"
)

// listing is all that Debian's tools tell of a directory: what stat says but for
// what no copy can have, extended attributes, access control lists, digests of
// contents, and which names are hard links.
func listing(t testing.TB, dir string) string {
	t.Helper()
	script := `cd "$1"
find . -print0 | sort -z | xargs -0 stat --printf '%n|%F|%a|%u:%g|%.9Y|%t:%T|%h|%N\n'
getfattr -R -P -h -d -m - -e hex . 2>&1
getfacl -R -P -n . 2>&1
find . -type f -print0 | sort -z | xargs -0 -r sha256sum`
	for _, tool := range []string{"stat", "getfattr", "getfacl", "sha256sum"} {
		testtool.Path(t, tool)
	}
	cmd := exec.Command("sh", "-euc", script, "sh", dir)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("listing: %v: %s", err, out)
	}
	return string(out) + hardLinks(t, dir)
}

// hardLinks are the names of inodes that have several.
func hardLinks(t testing.TB, dir string) string {
	t.Helper()
	var out strings.Builder
	first := map[uint64]string{}
	must(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil || st.Nlink < 2 {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if first[st.Ino] == "" {
			first[st.Ino] = name
		}
		fmt.Fprintf(&out, "%s is the inode of %s\n", name, first[st.Ino])
		return nil
	}))
	return out.String()
}

// sameListing compares two directories.
func sameListing(t testing.TB, what, want, got string) {
	t.Helper()
	if d := cmp.Diff(strings.Split(listing(t, want), "\n"), strings.Split(listing(t, got), "\n")); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}
