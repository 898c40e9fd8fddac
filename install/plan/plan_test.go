package plan

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/internal/testtool"
)

// table is what sfdisk --json says of a disk.
type table struct {
	Label      string
	FirstLBA   int64 `json:"firstlba"`
	LastLBA    int64 `json:"lastlba"`
	SectorSize int64 `json:"sectorsize"`
	Partitions []struct {
		Start, Size int64
		Type, Name  string
	}
}

// apply has sfdisk write the plan to an empty disk, and read it again.
func apply(t *testing.T, o Options, p *Plan) table {
	t.Helper()
	disk := filepath.Join(t.TempDir(), "disk")
	f, err := os.OpenFile(disk, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(o.DiskSize); err != nil {
		t.Fatal(err)
	}
	if o.SectorSize != 512 { // of a file, sfdisk takes sectors of 512 bytes
		losetup := testtool.Path(t, "losetup")
		out, err := exec.Command(losetup, "--find", "--show", "--sector-size", strconv.FormatInt(o.SectorSize, 10), disk).Output()
		if err != nil {
			t.Fatal(err)
		}
		disk = strings.TrimSpace(string(out))
		t.Cleanup(func() { exec.Command(losetup, "-d", disk).Run() })
	}
	sfdisk := testtool.Path(t, "sfdisk")
	cmd := exec.Command(sfdisk, "--quiet", "--no-reread", "--no-tell-kernel", disk)
	cmd.Stdin = strings.NewReader(p.Script())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
	out, err := exec.Command(sfdisk, "--json", disk).Output()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(sfdisk, "--verify", disk).CombinedOutput(); err != nil {
		t.Errorf("sfdisk --verify: %v\n%s", err, out)
	}
	var doc struct{ Partitiontable table }
	if err := json.Unmarshal(out, &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Partitiontable
}

// What is wanted is written by hand, in MiB, for what sfdisk reads back.
func TestPlanOnDisk(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		o    Options
		want string
	}{
		{
			"amd64 10 GiB",
			Options{DiskSize: 10 * gib, SectorSize: 512, Arch: "amd64"},
			"1+1 21686148-6449-6E6F-744E-656564454649 BIOS-BOOT, 2+1024 C12A7328-F81F-11D2-BA4B-00A0C93EC93B EFI-SYSTEM, 1026+9213 4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709 root",
		},
		{
			"sectors of 4096",
			Options{DiskSize: 10 * gib, SectorSize: 4096, Arch: "amd64"},
			"1+1 21686148-6449-6E6F-744E-656564454649 BIOS-BOOT, 2+1024 C12A7328-F81F-11D2-BA4B-00A0C93EC93B EFI-SYSTEM, 1026+9213 4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709 root",
		},
		{
			"arm64",
			Options{DiskSize: 4*gib + 12345*512, SectorSize: 512, Arch: "arm64"},
			"1+1024 C12A7328-F81F-11D2-BA4B-00A0C93EC93B EFI-SYSTEM, 1025+3077 B921B045-1DF0-41C3-AF44-4C6F280D3FAE root",
		},
		{
			"root size",
			Options{DiskSize: 10 * gib, SectorSize: 512, Arch: "amd64", RootSize: 2*gib + 1},
			"1+1 21686148-6449-6E6F-744E-656564454649 BIOS-BOOT, 2+1024 C12A7328-F81F-11D2-BA4B-00A0C93EC93B EFI-SYSTEM, 1026+2049 4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709 root",
		},
		{
			"boot partition",
			Options{DiskSize: 10 * gib, SectorSize: 512, Arch: "amd64", Boot: true},
			"1+1 21686148-6449-6E6F-744E-656564454649 BIOS-BOOT, 2+1024 C12A7328-F81F-11D2-BA4B-00A0C93EC93B EFI-SYSTEM, 1026+510 0FC63DAF-8483-4772-8E79-3D69D8477DE4 boot, 1536+8703 4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709 root",
		},
		{
			"the least",
			Options{DiskSize: 1539 * mib, SectorSize: 512, Arch: "amd64"},
			"1+1 21686148-6449-6E6F-744E-656564454649 BIOS-BOOT, 2+1024 C12A7328-F81F-11D2-BA4B-00A0C93EC93B EFI-SYSTEM, 1026+512 4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709 root",
		},
		{
			"the least with sectors of 4096",
			Options{DiskSize: 1539 * mib, SectorSize: 4096, Arch: "amd64"},
			"1+1 21686148-6449-6E6F-744E-656564454649 BIOS-BOOT, 2+1024 C12A7328-F81F-11D2-BA4B-00A0C93EC93B EFI-SYSTEM, 1026+512 4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709 root",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := New(tt.o)
			if err != nil {
				t.Fatal(err)
			}
			got := apply(t, tt.o, p)
			if got.Label != "gpt" || got.SectorSize != tt.o.SectorSize {
				t.Errorf("label %s, sectors of %d", got.Label, got.SectorSize)
			}
			var words []string
			for _, part := range got.Partitions {
				words = append(words, inMiB(part.Start*got.SectorSize)+"+"+inMiB(part.Size*got.SectorSize)+" "+part.Type+" "+part.Name)
			}
			if diff := cmp.Diff(tt.want, strings.Join(words, ", ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func inMiB(n int64) string {
	if n%mib != 0 {
		return "not aligned: " + strconv.FormatInt(n, 10)
	}
	return strconv.FormatInt(n/mib, 10)
}

func TestPlanRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		o    Options
		want string
	}{
		{
			"disk too small",
			Options{DiskSize: 1538 * mib, SectorSize: 512, Arch: "amd64"},
			"cannot lay out the disk: it has 1538 MiB, but 1539 MiB are the least: 1026 MiB for the boot loaders, 512 MiB for the root",
		},
		{
			"disk too small with a boot partition",
			Options{DiskSize: 2048 * mib, SectorSize: 512, Arch: "amd64", Boot: true},
			"cannot lay out the disk: it has 2048 MiB, but 2049 MiB are the least: 1536 MiB for the boot loaders, 512 MiB for the root",
		},
		{"empty disk", Options{SectorSize: 512, Arch: "amd64"}, "cannot lay out the disk: it has 0 MiB, but 1539 MiB are the least: 1026 MiB for the boot loaders, 512 MiB for the root"},
		{"root too small", Options{DiskSize: 10 * gib, SectorSize: 512, Arch: "amd64", RootSize: 100 * mib}, "cannot lay out the disk: a root of 100 MiB is too small: 512 MiB are the least"},
		{"root too large", Options{DiskSize: 10 * gib, SectorSize: 512, Arch: "amd64", RootSize: 10 * gib}, "cannot lay out the disk: a root of 10240 MiB is too large: the disk has room for 9213 MiB"},
		{"sectors", Options{DiskSize: 10 * gib, SectorSize: 520, Arch: "amd64"}, "cannot lay out the disk: its sectors have 520 bytes: only 512 and 4096 are supported"},
		{"architecture", Options{DiskSize: 10 * gib, SectorSize: 512, Arch: "s390x"}, "cannot lay out the disk: no layout is known for the architecture s390x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := New(tt.o); err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}
