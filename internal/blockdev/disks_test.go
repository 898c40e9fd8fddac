package blockdev

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/internal/mounts"
	"github.com/bootc-go/bootc/internal/testdisk"
	"github.com/bootc-go/bootc/internal/testtool"
)

// All disks of a btrfs count, not only the one that the mount names.
func TestBtrfsOnSeveralDisks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var loops []string
	for _, name := range []string{"a", "b", "c"} {
		testtool.Run(t, "", "truncate", "--size=256M", dir+"/"+name)
		loops = append(loops, testdisk.Attach(t, dir+"/"+name))
	}
	testtool.Run(t, "", "mkfs.btrfs", "--quiet", "--data", "raid1", loops[0], loops[1])
	testtool.Run(t, "", "mkfs.btrfs", "--quiet", loops[2])
	for _, tt := range []struct {
		device string
		want   []string
	}{
		{loops[0], loops[:2:2]},
		{loops[2], loops[2:]},
	} {
		at := t.TempDir()
		testtool.Run(t, "", "mount", "-t", "btrfs", tt.device, at)
		t.Cleanup(func() { testtool.Run(t, "", "umount", at) })
		table, err := mounts.Read("/proc/self/mountinfo")
		if err != nil {
			t.Fatal(err)
		}
		m, ok := table.At(at)
		if !ok {
			t.Fatal("it is not mounted")
		}
		disks := Disks{Root: "/"}
		dirs, err := disks.UnderMount(m)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range dirs {
			got = append(got, disks.Node(d))
		}
		slices.Sort(got)
		slices.Sort(tt.want)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("of %s: %s", tt.device, diff)
		}
	}
}
