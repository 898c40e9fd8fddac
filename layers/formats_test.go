package layers

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// gnuTar runs GNU tar in dir and returns the tar of all there.
func gnuTar(t testing.TB, dir string, args ...string) []byte {
	t.Helper()
	return pipe(t, nil, "tar", append([]string{"-C", dir, "--sort=name", "-cf", "-"}, append(args, ".")...)...)
}

// makeFiles fills dir with every kind of file. What only newer formats can
// express is left out unless rich.
func makeFiles(t testing.TB, dir string, rich bool) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string {
		p := filepath.Join(dir, name)
		check(os.MkdirAll(filepath.Dir(p), 0o755))
		return p
	}
	for i, size := range []int{0, 1, 63, 64, 65, 511, 512, 513, 5000, maxWhole, maxWhole + 1, windowSize + 77} {
		writeFile(t, at(fmt.Sprintf("files/%d", size)), bytes.Repeat([]byte{byte('a' + i), byte(i), 0}, size/3+1)[:size])
	}
	check(os.Chmod(at("files/65"), 0o4711|os.ModeSetuid))
	check(os.Chown(at("files/63"), 1234, 99999))
	check(os.Symlink("../files/65", at("links/relative")))
	check(os.Symlink("/no/where", at("links/absolute")))
	check(os.Link(at("files/5000"), at("hard/link")))
	check(os.Link(at("files/1"), at("hard/small")))
	check(os.Link(at("links/absolute"), at("hard/symlink")))
	check(os.Mkdir(at("empty"), 0o1777|os.ModeSticky))
	writeFile(t, at(strings.Repeat("long/", 15)+"name"), []byte("x"))
	if !rich {
		return
	}
	name := strings.Repeat("very-long-component-", 12)
	writeFile(t, at(strings.Repeat(name+"/", 3)+name), []byte("deep"))
	check(os.Symlink(strings.Repeat("target/", 40), at("links/long")))
	check(os.Link(at(strings.Repeat(name+"/", 3)+name), at("hard/long")))
	check(os.Chown(at("files/513"), 3000000000, 4294967295-1))
	check(unix.Mkfifo(at("devices/fifo"), 0o640))
	check(unix.Mknod(at("devices/char"), unix.S_IFCHR|0o600, int(unix.Mkdev(300, 70000))))
	check(unix.Mknod(at("devices/block"), unix.S_IFBLK|0o660, int(unix.Mkdev(8, 1))))
	check(unix.Mknod(at("devices/whiteout"), unix.S_IFCHR, 0))
	writeFile(t, at("files/\xff not UTF-8 \x01"), nil)
}

// setTimes gives all below dir a time, with a fraction if that is recorded, that
// listDir does not take for one of today.
func setTimes(t testing.TB, dir string, nsec int64) {
	t.Helper()
	err := filepath.Walk(dir, func(name string, _ os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		ts := unix.NsecToTimespec(time.Unix(1234567890, nsec).UnixNano())
		return unix.UtimesNanoAt(unix.AT_FDCWD, name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestTarFormats reads what GNU tar makes of a directory in each of its formats,
// and wants the directory, and the same tar again.
func TestTarFormats(t *testing.T) {
	t.Parallel()
	tests := []struct {
		format string
		rich   bool
		args   []string
	}{
		{"v7", false, nil},
		{"ustar", false, nil},
		{"oldgnu", true, nil},
		{"gnu", true, nil},
		{"gnu", true, []string{"--blocking-factor=1", "--numeric-owner"}},
		{"posix", true, nil},
		{"posix", true, []string{"--xattrs", "--xattrs-include=*", "--pax-option=globexthdr.name=/x,comment=global"}},
	}
	for _, test := range tests {
		t.Run(test.format+strings.Join(test.args, " "), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			makeFiles(t, dir, test.rich)
			nsec := int64(0)
			if test.format == "posix" {
				nsec = 120300
			}
			if len(test.args) > 1 && test.format == "posix" {
				for name, value := range map[string]string{"user.empty": "", "user.z": "\x00=\n", "trusted.a": strings.Repeat("v", 900)} {
					if err := unix.Setxattr(filepath.Join(dir, "files/513"), name, []byte(value), 0); err != nil {
						t.Fatal(err)
					}
				}
			}
			setTimes(t, dir, nsec)
			data := gnuTar(t, dir, append(test.args, "--format="+test.format)...)
			want := listDir(t, dir)
			store := newMemStore()
			l, err := importMem(store, bytes.NewReader(data), ImportOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(l.stream.bytes(store), data) {
				t.Error("the splitstream does not give the tar back")
			}
			for _, piece := range []int{1 << 16, 700, 1} {
				root, err := mergeMem([]*memLayer{l}, piece)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, listTree(root, store)); diff != "" {
					t.Fatalf("the directory (-) and the merged tree (+) differ:\n%s", diff)
				}
			}
		})
	}
}

// TestSparseFilesAreRefused in each of the ways in which GNU tar writes them.
func TestSparseFilesAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(30) {
		if _, err := f.WriteAt([]byte("data"), i<<20); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"--format=gnu"},
		{"--format=oldgnu"},
		{"--format=posix", "--sparse-version=0.0"},
		{"--format=posix", "--sparse-version=0.1"},
		{"--format=posix", "--sparse-version=1.0"},
	} {
		data := gnuTar(t, dir, append(args, "--sparse")...)
		_, err := importMem(newMemStore(), bytes.NewReader(data), ImportOptions{})
		const want = "sparse files are not supported"
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `/sparse`) {
			t.Errorf("%v: error %v, want %q with the name", args, err, want)
		}
	}
}
