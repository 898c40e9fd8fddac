package blockdev

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/internal/testdisk"
	"github.com/bootc-go/bootc/internal/testtool"
)

const diskSize = testdisk.Size

// sfdisk lists the partitions of a disk or its image as sfdisk(8) sees them.
func sfdisk(t *testing.T, path string) []Partition {
	t.Helper()
	out := testtool.Run(t, "", "sfdisk", "--json", path)
	var doc struct {
		PartitionTable struct {
			SectorSize int64
			Partitions []struct {
				Node, Type, UUID string
				Start, Size      int64
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	var parts []Partition
	for _, p := range doc.PartitionTable.Partitions {
		number, err := strconv.Atoi(strings.TrimPrefix(strings.TrimPrefix(p.Node, path), "p"))
		if err != nil {
			t.Fatal(err)
		}
		sector := doc.PartitionTable.SectorSize
		parts = append(parts, Partition{number, strings.ToLower(p.Type), strings.ToLower(p.UUID), p.Start * sector, p.Size * sector})
	}
	return parts
}

const usualTable = `label: gpt
size=1MiB, type=21686148-6449-6E6F-744E-656564454649
size=4MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="EFI-SYSTEM"
type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name="root"
`

func readImage(t testing.TB, path string) []byte {
	t.Helper()
	disk, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return disk
}

func TestReadGPTIsSfdisks(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"usual":       usualTable,
		"gaps":        "label: gpt\n3: size=1MiB\n7: size=1MiB, type=U\n",
		"empty":       "label: gpt\n",
		"large table": "label: gpt\ntable-length: 200\n150: size=1MiB, type=U\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := t.TempDir() + "/disk"
			testdisk.Make(t, path, script)
			checkGPT(t, path, sfdisk(t, path))
		})
	}
	t.Run("sectors of 4 KiB", func(t *testing.T) {
		t.Parallel()
		path := t.TempDir() + "/disk"
		testdisk.Make(t, path, "")
		loop := testdisk.Attach(t, path, "--sector-size=4096")
		testtool.Run(t, usualTable, "sfdisk", "--quiet", loop)
		checkGPT(t, path, sfdisk(t, loop))
	})
}

// checkGPT reads the partition table of a disk image, and its copy.
func checkGPT(t *testing.T, path string, want []Partition) {
	t.Helper()
	disk := readImage(t, path)
	got, err := readGPT(bytes.NewReader(disk), diskSize)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, -sfdisk +ours\n%s", err, diff)
	}
	clear(disk[:64<<10])
	got, err = readGPT(bytes.NewReader(disk), diskSize)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("from the copy: %v, -sfdisk +ours\n%s", err, diff)
	}
}

func TestReadGPTRefuses(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/disk"
	testdisk.Make(t, path, usualTable)
	good := readImage(t, path)
	for name, damage := range map[string]func(disk []byte){
		"header":      func(d []byte) { d[512+40] ^= 1 },
		"entries":     func(d []byte) { d[1024] ^= 1 },
		"header size": func(d []byte) { d[512+12] = 0xff },
	} {
		disk := bytes.Clone(good)
		damage(disk)
		if parts, err := readTable(bytes.NewReader(disk), 512, 512); err == nil || errors.Is(err, errNoGPT) {
			t.Errorf("%s: %v, %v", name, parts, err)
		}
		clear(disk[diskSize-64<<10:])
		if _, err := readGPT(bytes.NewReader(disk), diskSize); err == nil || errors.Is(err, errNoGPT) {
			t.Errorf("%s, without a copy: %v", name, err)
		}
	}
	testdisk.Make(t, path, "label: dos\nsize=1MiB\n")
	for name, disk := range map[string][]byte{"dos": readImage(t, path), "blank": make([]byte, 1<<20), "nothing": nil, "short": make([]byte, 100)} {
		if _, err := readGPT(bytes.NewReader(disk), int64(len(disk))); !errors.Is(err, errNoGPT) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReadGPT(f *testing.F) {
	path := f.TempDir() + "/disk"
	testdisk.Make(f, path, usualTable)
	disk := readImage(f, path)
	f.Add(disk[:34*512])
	f.Add(disk[len(disk)-33*512:])
	f.Fuzz(func(t *testing.T, disk []byte) {
		parts, err := readGPT(bytes.NewReader(disk), int64(len(disk)))
		if err != nil && parts != nil {
			t.Error("partitions and an error")
		}
		for _, p := range parts {
			if p.Number < 1 || len(p.Type) != 36 || len(p.UUID) != 36 {
				t.Errorf("%+v", p)
			}
		}
	})
}
