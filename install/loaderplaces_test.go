package install

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/internal/blockdev"
	"github.com/bootc-go/bootc/internal/mounts"
	"github.com/bootc-go/bootc/internal/testdisk"
)

const (
	bothTable = "label: gpt\nsize=1MiB, type=21686148-6449-6E6F-744E-656564454649\nsize=4MiB, type=U\nsize=4MiB, type=L\n"
	dataTable = "label: gpt\nsize=4MiB, type=L\n"
	twoTable  = "label: gpt\nsize=1MiB, type=U\nsize=1MiB, type=U\nsize=4MiB, type=L\n"
)

// What firmware reads is looked for on all disks of the root. The ESPs here are empty
// files, which cannot be mounted: e2e.TestManyESPs mounts them.
func TestLoaderPlaces(t *testing.T) {
	t.Parallel()
	a := testdisk.Disk{Name: "sda", Script: bothTable, Parts: 3}
	b := testdisk.Disk{Name: "sdb", Minor: 16, Script: bothTable, Parts: 3}
	data := testdisk.Disk{Name: "sdb", Minor: 16, Script: dataTable, Parts: 1}
	for name, tt := range map[string]struct {
		disks   []testdisk.Disk
		slaves  []string
		mounted string
		bios    []string
		noESP   string // in the error
	}{
		"two alike":            {[]testdisk.Disk{a, b}, []string{"sda/sda3", "sdb/sdb3"}, "sda2", []string{"sda", "sdb"}, "there is ROOT/dev/sdb2, but it cannot be mounted"},
		"twice on one disk":    {[]testdisk.Disk{a}, []string{"sda/sda3"}, "sda2", []string{"sda"}, ""},
		"one without":          {[]testdisk.Disk{a, data}, []string{"sda/sda3", "sdb/sdb1"}, "sda2", []string{"sda"}, ""},
		"none":                 {[]testdisk.Disk{data}, []string{"sdb/sdb1"}, "", nil, ""},
		"not that disk":        {[]testdisk.Disk{a, data}, []string{"sdb/sdb1"}, "", nil, ""},
		"damaged":              {[]testdisk.Disk{a, data}, []string{"sda/sda3", "sdb/sdb1"}, "sda2", []string{"sda"}, "sdb: partition table at 512: wrong checksum of the entries"},
		"two on a disk":        {[]testdisk.Disk{{Name: "sda", Script: twoTable, Parts: 3}}, []string{"sda/sda3"}, "", nil, "sda has several, ROOT/dev/sda1 and ROOT/dev/sda2: mount the one that is meant on boot/efi"},
		"two, one is meant":    {[]testdisk.Disk{{Name: "sda", Script: twoTable, Parts: 3}}, []string{"sda/sda3"}, "sda2", nil, ""},
		"left of an old table": {[]testdisk.Disk{{Name: "sda", Script: bothTable, Parts: 0}}, []string{"sda"}, "", nil, "the kernel does not know partition 2 of sda"},
		"unknown to a kernel":  {[]testdisk.Disk{{Name: "sda", Script: bothTable}, data}, []string{"sdb/sdb1"}, "", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for _, d := range tt.disks {
				d.Plant(t, root)
			}
			if name == "damaged" {
				damage(t, root+"/dev/sdb")
			}
			testdisk.Stack(t, root, tt.slaves...)
			disks := blockdev.Disks{Root: root}
			dirs, err := disks.Under(mounts.Device{Major: 253})
			if err != nil {
				t.Fatal(err)
			}
			if tt.mounted != "" {
				tt.mounted = root + "/dev/" + tt.mounted
			}
			var l loaderPlaces
			defer l.close()
			if err := l.look(disks, dirs, tt.mounted); err != nil {
				t.Fatal(err)
			}
			var bios []string
			for i, f := range l.files {
				bios = append(bios, strings.TrimPrefix(f.Name(), root+"/dev/"))
				if b := l.bios[i]; b.FirstLBA != 2048 || b.Sectors != 2048 {
					t.Errorf("%d sectors at %d", b.Sectors, b.FirstLBA)
				}
			}
			if diff := cmp.Diff(tt.bios, bios); diff != "" {
				t.Error(diff)
			}
			want := strings.ReplaceAll(tt.noESP, "ROOT", root)
			if got := l.noESP; (got == nil) != (want == "") || got != nil && !strings.HasPrefix(got.Error(), want) {
				t.Errorf("%v, want %q", got, want)
			}
		})
	}
}

// damage spoils both partition tables of the disk.
func damage(t *testing.T, path string) {
	t.Helper()
	disk, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	disk[1024] ^= 1
	clear(disk[len(disk)-64<<10:])
	if err := os.WriteFile(path, disk, 0o600); err != nil {
		t.Fatal(err)
	}
}
