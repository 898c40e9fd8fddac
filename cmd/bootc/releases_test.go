package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/internal/testcache"
	"github.com/bootc-go/bootc/internal/testtool"
)

// lastRelease is the commit of the last release, which these sources must get along with:
// a rollback brings a host back to it, with all that they have written by then. The first
// commit after a release changes it to that release. It has all 40 digits.
const lastRelease = "b1619946045d3b10f9b485f1c82a7ed7b1646e62"

// lastReleaseVariable names a file to take for the last release, where the clone lacks its
// commit: the test binary of its cmd/bootc, made by "go test -c ./cmd/bootc".
const lastReleaseVariable = "BOOTC_LAST_RELEASE"

// Each script in testdata/releases is about two programs that take turns on one host: "one",
// which installed it, and "other". It runs with the last release as the one and these
// sources as the other, and the reverse, on systemd-boot and on GRUB.
func TestReleases(t *testing.T) {
	t.Parallel()
	last := lastProgram(t)
	reg := scriptRegistry(t)
	for _, kind := range []bootloader.Kind{bootloader.Systemd, bootloader.GRUB} {
		for name, lastFirst := range map[string]bool{"LastReleaseFirst": true, "LastReleaseSecond": false} {
			t.Run(fmt.Sprintf("%s/%s", name, kind), func(t *testing.T) {
				t.Parallel()
				p := newPair(t, last, lastFirst)
				testscript.Run(t, testscript.Params{
					Dir:                 "testdata/releases",
					WorkdirRoot:         memoryDir(t),
					RequireExplicitExec: true,
					RequireUniqueNames:  true,
					Cmds:                p.commands(kind),
					Condition:           func(c string) (bool, error) { return c == string(kind), nil },
					Setup: func(ts *testscript.Env) error {
						ts.Setenv("REGISTRY", reg.Addr())
						ts.Setenv("HOST", ts.WorkDir+"/host")
						ts.Setenv("PATH", strings.Join([]string{ts.WorkDir + "/bin", p.programs, ts.Getenv("PATH")}, ":"))
						return writeBase(ts.WorkDir)
					},
				})
			})
		}
	}
}

// memoryDir is t.TempDir in memory, where the many syncs of a host cost nothing.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=512m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// writeBase writes what all scripts need.
func writeBase(dir string) error {
	base, err := txtar.ParseFile("testdata/releases/base.ar")
	if err != nil {
		return err
	}
	if err := txtar.Write(base, dir); err != nil {
		return err
	}
	for _, name := range []string{"v1/boot", "v1/sysroot", "v1/var", "v1/proc"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
	}
	programs, err := filepath.Glob(filepath.Join(dir, "bin/*"))
	for _, name := range programs {
		if err := os.Chmod(name, 0o755); err != nil {
			return err
		}
	}
	return err
}

// lastProgram builds the test binary of the last release, which is a bootc as this one is.
func lastProgram(t *testing.T) string {
	t.Helper()
	if given := os.Getenv(lastReleaseVariable); given != "" {
		if !filepath.IsAbs(given) {
			t.Fatalf("%s is %q, which is not the absolute path of a file", lastReleaseVariable, given)
		}
		return given
	}
	cache := testcache.Open(t, "last-release", []byte(lastRelease), []byte(runtime.Version()))
	return cache.Entry(t, "bootc.test", func(t testing.TB, program string) {
		dir := testcache.TempDir(t)
		if err := unpackCommit(testtool.Path(t, "git"), lastRelease, testcache.ModuleRoot(t), dir); err != nil {
			t.Fatal(err)
		}
		// Without -trimpath: other modules are in Go's cache as the build of this test left them.
		cmd := exec.Command("go", "test", "-c", "-buildvcs=false", "-ldflags=-s -w", "-tags=containers_image_openpgp", "-o", program, "./cmd/bootc")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("cannot build the last release, commit %s: %v\n%s", lastRelease, err, out)
		}
	})
}

// unpackCommit writes the files of a commit into a directory. If the clone lacks the commit,
// it comes from where the clone came from; the clone stays as it is.
func unpackCommit(git, commit, clone, dir string) error {
	archive, scratch := filepath.Join(dir, "sources.tar"), filepath.Join(dir, "fetched.git")
	out, err := exec.Command(git, "-C", clone, "archive", "--output="+archive, commit).CombinedOutput()
	if err != nil {
		fetch := exec.Command("sh", "-ec", `url=$("$0" -C "$1" remote get-url origin)
			"$0" init --quiet --bare "$2"
			"$0" -C "$2" fetch --quiet --depth=1 "$url" "$3"
			"$0" -C "$2" archive --output="$4" "$3"`, git, clone, scratch, commit, archive)
		fetch.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0")
		var fetched []byte
		fetched, err = fetch.CombinedOutput()
		out = append(out, fetched...)
	}
	if err != nil {
		return fmt.Errorf("cannot get the last release, commit %s, out of this clone: run 'git fetch --unshallow', or set %s to the test binary of its cmd/bootc: %w\n%s",
			commit, lastReleaseVariable, err, out)
	}
	if out, err := exec.Command("tar", "-C", dir, "-xf", archive).CombinedOutput(); err != nil {
		return fmt.Errorf("cannot unpack the last release: %w\n%s", err, out)
	}
	return os.Remove(archive)
}

// A clone may lack the last release, and not know where it came from. Then the test fails and
// says what to do.
func TestLastReleaseIsMissing(t *testing.T) {
	t.Parallel()
	git, clone := testtool.Path(t, "git"), t.TempDir()
	if out, err := exec.Command(git, "init", "--quiet", clone).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v\n%s", err, out)
	}
	err := unpackCommit(git, strings.Repeat("0", 40), clone, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "git fetch --unshallow") || !strings.Contains(err.Error(), lastReleaseVariable) {
		t.Errorf("error %v", err)
	}
}
