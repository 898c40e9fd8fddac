package pkgdb

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/internal/testtool"
)

// rpms builds packages with rpmbuild, once: some with epochs, one of a size that
// overflows many pages.
var rpms = sync.OnceValues(func() ([]string, error) {
	dir, err := os.MkdirTemp("", "rpms")
	if err != nil {
		return nil, err
	}
	var spec strings.Builder
	spec.WriteString("Name: main\nVersion: 1.0\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\n%description\nx\n%files\n")
	for i := range 60 {
		fmt.Fprintf(&spec, "%%package -n part%d\nSummary: x\nVersion: %d.%d~rc1\nRelease: %d.fc40\n", i, i%5, i, i)
		if i%3 == 0 {
			fmt.Fprintf(&spec, "Epoch: %d\n", i)
		}
		text := "x"
		if i%7 == 0 {
			text = strings.Repeat("much to say\n", 1000*(i+1))
		}
		fmt.Fprintf(&spec, "%%description -n part%d\n%s\n%%files -n part%d\n", i, text, i)
	}
	name := filepath.Join(dir, "main.spec")
	if err := os.WriteFile(name, []byte(spec.String()), 0o600); err != nil {
		return nil, err
	}
	out, err := exec.Command("rpmbuild", "-bb", "--quiet", "--define", "_topdir "+dir, name).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("rpmbuild: %w\n%s", err, out)
	}
	return filepath.Glob(filepath.Join(dir, "RPMS/noarch/*.rpm"))
})

func TestMain(m *testing.M) {
	code := m.Run()
	if files, _ := rpms(); len(files) > 0 {
		os.RemoveAll(filepath.Join(filepath.Dir(files[0]), "../.."))
	}
	os.Exit(code)
}

// rpmRoot is a file system where rpm has installed n packages into a database.
func rpmRoot(t testing.TB, dir string, n int) string {
	t.Helper()
	testtool.Path(t, "rpmbuild")
	files, err := rpms()
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
		t.Fatal(err)
	}
	args := append(rpmArgs(root, dir), "-i", "--justdb", "--nodeps", "--nosignature")
	rpm(t, append(args, files[:n]...)...)
	return root
}

func rpmArgs(root, dir string) []string {
	return []string{"--root", root, "--define", "_db_backend sqlite", "--define", "_dbpath /" + dir}
}

func rpm(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command(testtool.Path(t, "rpm"), args...).Output()
	if err != nil {
		var exit *exec.ExitError
		errors.As(err, &exit)
		t.Fatalf("rpm %v: %v\n%s", args, err, exit.Stderr)
	}
	return string(out)
}

// TestRPM compares with rpm's own list.
func TestRPM(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		dir string
		n   int
	}{
		{"usr/lib/sysimage/rpm", 61},
		{"usr/share/rpm", 1},
		{"var/lib/rpm", 20},
	} {
		t.Run(tt.dir, func(t *testing.T) {
			t.Parallel()
			root := rpmRoot(t, tt.dir, tt.n)
			args := rpmArgs(root, tt.dir)
			want := rpmList(t, args)
			if len(want) != tt.n {
				t.Fatalf("rpm lists %d packages", len(want))
			}
			wantRead(t, root, want)
			// Erasing leaves holes.
			names := strings.Fields(rpm(t, append(args, "-qa", "--qf", "%{name}\n")...))
			rpm(t, append(append(args, "-e", "--justdb", "--nodeps"), names[:(tt.n+1)/2]...)...)
			wantRead(t, root, rpmList(t, args))
		})
	}
}

func rpmList(t *testing.T, args []string) []string {
	t.Helper()
	out := rpm(t, append(args, "-qa", "--qf", "rpm %{name} %|epoch?{%{epoch}:}|%{version}-%{release} %{arch}\n")...)
	return slices.Sorted(strings.Lines(out))
}

// wantRead reads the packages of a file system and compares them with those of
// another program, in lines.
func wantRead(t *testing.T, root string, want []string) {
	t.Helper()
	ps, err := Read(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range ps {
		got = append(got, fmt.Sprintf("%s %s %s %s\n", p.Manager, p.Name, p.Version, p.Arch))
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
}

// TestSqliteLog reads what was committed and not written back, and not what was
// never committed.
func TestSqliteLog(t *testing.T) {
	t.Parallel()
	const dir = "var/lib/rpm"
	root := rpmRoot(t, dir, 30)
	db := filepath.Join(root, dir, "rpmdb.sqlite")
	copied := t.TempDir()
	if err := os.MkdirAll(filepath.Join(copied, dir), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(testtool.Path(t, "sqlite3"), db)
	cmd.Stdin = strings.NewReader(fmt.Sprintf(`PRAGMA journal_mode=WAL;
PRAGMA wal_autocheckpoint=0;
DELETE FROM Packages WHERE hnum %% 2 = 0;
INSERT INTO Packages SELECT hnum+1000, blob FROM Packages WHERE hnum = 1;
.shell cp %[1]s %[1]s-wal %[2]s
DELETE FROM Packages;
`, db, filepath.Join(copied, dir)))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wal := filepath.Join(copied, dir, "rpmdb.sqlite-wal")
	if st, err := os.Stat(wal); err != nil || st.Size() < 4096 {
		t.Fatalf("there is no log: %v", err)
	}
	count := func() int {
		t.Helper()
		ps, err := Read(os.DirFS(copied))
		if err != nil {
			t.Fatal(err)
		}
		return len(ps)
	}
	// The copy of a package counts once.
	if n := count(); n != 15 {
		t.Errorf("%d packages, want 15", n)
	}
	data, err := os.ReadFile(wal)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-100] ^= 1 // the last commit was torn
	if err := os.WriteFile(wal, data, 0o600); err != nil {
		t.Fatal(err)
	}
	oracle := exec.Command("sqlite3", filepath.Join(copied, dir, "rpmdb.sqlite"), "SELECT count(DISTINCT blob) FROM Packages")
	got := count()
	out, err := oracle.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != fmt.Sprint(got) {
		t.Errorf("%d packages, sqlite3 says %s, %v", got, out, err)
	}
}

// headers are what rpm has stored of n packages.
func headers(t testing.TB, n int) (root string, blobs [][]byte) {
	t.Helper()
	root = rpmRoot(t, "var/lib/rpm", n)
	out, err := exec.Command(testtool.Path(t, "sqlite3"), filepath.Join(root, "var/lib/rpm/rpmdb.sqlite"), "SELECT hex(blob) FROM Packages").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.FieldsSeq(string(out)) {
		blob, err := hex.DecodeString(line)
		if err != nil {
			t.Fatal(err)
		}
		blobs = append(blobs, blob)
	}
	return root, blobs
}

// ndb makes a Packages.db as lib/backend/ndb/rpmpkg.c of rpm describes it, with a
// hole behind every third package; no rpm of Debian writes that format.
func ndb(blobs [][]byte) []byte {
	const slotPages = 1
	le := binary.LittleEndian
	head := make([]byte, slotPages*4096)
	for i := 0; i < len(head); i += 16 {
		copy(head[i:], "Slot")
	}
	clear(head[:32])
	copy(head, "RpmP")
	le.PutUint32(head[8:], 7) // generation
	le.PutUint32(head[12:], slotPages)
	le.PutUint32(head[16:], uint32(len(blobs))+1)
	body := head
	for i, blob := range blobs {
		slot := head[32+16*(2*i):]
		index := uint32(i + 1)
		le.PutUint32(slot[4:], index)
		le.PutUint32(slot[8:], uint32(len(body)/16))
		n := (16 + len(blob) + 12 + 15) / 16 * 16
		le.PutUint32(slot[12:], uint32(n/16))
		b := make([]byte, n)
		copy(b, "BlbS")
		le.PutUint32(b[4:], index)
		le.PutUint32(b[8:], 7)
		le.PutUint32(b[12:], uint32(len(blob)))
		copy(b[16:], blob)
		copy(b[n-4:], "BlbE")
		body = slices.Concat(body, b)
		if i%3 == 0 {
			body = slices.Concat(body, make([]byte, 16*(i+1)))
		}
	}
	copy(body, head)
	return body
}

// TestNdb reads rpm's headers from its other format.
func TestNdb(t *testing.T) {
	t.Parallel()
	root, blobs := headers(t, 40)
	fsys := fstest.MapFS{"usr/lib/sysimage/rpm/Packages.db": file(string(ndb(blobs)))}
	got, err := Read(fsys)
	if err != nil {
		t.Fatal(err)
	}
	want, err := Read(os.DirFS(root))
	if err != nil || len(want) != 40 {
		t.Fatal(len(want), err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
}
