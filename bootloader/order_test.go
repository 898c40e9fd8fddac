package bootloader_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/bootloader/bootloadertest"
	"github.com/bootc-go/bootc/internal/testtool"
)

// write writes files below dir, with the directories that they need.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// newMountedESP is newLoader for systemd-boot with an ESP that is a file system of its
// own, without which bootctl does not look at it.
func newMountedESP(t *testing.T) (l bootloader.Loader, esp string) {
	t.Helper()
	esp = t.TempDir()
	if err := unix.Mount("tmpfs", esp, "tmpfs", 0, "mode=0755"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(esp, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	l, err := bootloader.New(bootloader.Systemd, bootloader.Files{ESP: openDir(t, esp)})
	if err != nil {
		t.Fatal(err)
	}
	return l, esp
}

// bootctl lists the files of the Type #1 entries of an ESP as systemd-boot shows them.
func bootctl(t *testing.T, esp string) []string {
	t.Helper()
	cmd := exec.Command(testtool.Path(t, "bootctl"), "list", "--json=short", "--no-pager", "--esp-path="+esp)
	cmd.Env = append(os.Environ(), "SYSTEMD_RELAX_ESP_CHECKS=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	// systemd 252 prints one object for each entry, later ones a list.
	list := "[" + strings.ReplaceAll(strings.Trim(strings.TrimSpace(string(out)), "[]"), "}\n", "},\n") + "]"
	var entries []struct{ Path string }
	if err := json.Unmarshal([]byte(list), &entries); err != nil {
		t.Fatalf("%v: %.300s", err, out)
	}
	var files []string
	for _, e := range entries {
		if strings.HasSuffix(e.Path, ".conf") {
			files = append(files, filepath.Base(e.Path))
		}
	}
	return files
}

func fileNames(t *testing.T, l bootloader.Loader) []string {
	t.Helper()
	menu, err := l.Menu()
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, e := range menu {
		files = append(files, e.File)
	}
	return files
}

// What Stage writes is what systemd-boot shows, in that order, other people's entries
// around it.
func TestWrittenOrderIsBootctls(t *testing.T) {
	t.Parallel()
	l, esp := newMountedESP(t)
	write(t, esp, map[string]string{
		"loader/entries/memtest.conf": "title Memtest\nefi /EFI/memtest.efi\n",
		"loader/entries/early.conf":   "title Early\nsort-key aaa\nefi /EFI/early.efi\n",
	})
	var menu []bootloader.Entry
	for i, version := range []string{"13", "14", "13~rc1", "", "13", "9", "10", "x", "y", "z", "zz"} {
		e := bootloadertest.Entry(fmt.Sprint(i))
		e.Version = version
		e.OSID = []string{"debian", "a-b", ""}[i%3]
		menu = append(menu, e)
	}
	bootloadertest.Install(t, l, menu...)
	ours := fileNames(t, l)
	want := slices.Concat([]string{"early.conf"}, ours, []string{"memtest.conf"})
	if d := cmp.Diff(want, bootctl(t, esp)); d != "" {
		t.Errorf("bootctl has (-want +got):\n%s", d)
	}
	if len(ours) != len(menu) {
		t.Errorf("%d entries became %d", len(menu), len(ours))
	}
}

// Whatever others wrote under names like ours is read in the order that systemd-boot
// shows.
func TestReadOrderIsBootctls(t *testing.T) {
	t.Parallel()
	l, esp := newMountedESP(t)
	r := rand.New(rand.NewPCG(3, 4))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	for range 25 {
		entries := filepath.Join(esp, "loader/entries")
		if err := os.RemoveAll(entries); err != nil {
			t.Fatal(err)
		}
		files := map[string]string{}
		for range 12 {
			e := bootloadertest.Entry(fmt.Sprint(r.Uint32()))
			name := "bootc_" + pick("debian", "a", "B") + "-" + pick("1", "10", "9", "1_a", "1.5") + "-" + pick("0", "1", "2")
			name += pick("", "", "+3-0", "+0-3", "+1", "+2-1")
			files[name+".conf"] = "title x\n" + pick("", "version 1\n", "version 10\n", "version 1~b\n") +
				"linux /EFI/Linux/" + e.Kernel + "/vmlinuz\n" + pick("", "sort-key bootc-a-0\n", "sort-key bootc-b-1\n") +
				"options " + e.Options.String() + "\n" + pick("", "machine-id 0123456789abcdef0123456789abcdef\n")
		}
		write(t, entries, files)
		got, want := fileNames(t, l), bootctl(t, esp)
		// Two names that differ in their tries only are one id: systemd keeps no order.
		if d := cmp.Diff(ids(want), ids(got)); d != "" {
			t.Fatalf("(-bootctl +got):\n%s", d)
		}
	}
}

func ids(files []string) []string {
	var ids []string
	for _, f := range files {
		id, _, _ := strings.Cut(strings.TrimSuffix(f, ".conf"), "+")
		ids = append(ids, id)
	}
	return ids
}
