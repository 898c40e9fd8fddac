package deploy

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/image/registrytest"
)

func TestRoom(t *testing.T) {
	t.Parallel()
	at := t.TempDir()
	mountTmpfs(t, at, "size=1m,nr_inodes=100")
	dir, err := os.Open(at)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for _, tt := range []struct {
		need room
		want string
	}{
		{room{bytes: 1 << 20, inodes: 90}, ""},
		{room{bytes: 1<<20 + 1}, "insufficient free space for x (available: 1048576 bytes, required: 1048577 bytes)"},
		{room{inodes: 100}, "required: 100 inodes)"},
	} {
		err := tt.need.check(dir, "x")
		if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, ErrNoRoom) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%+v: %v", tt.need, err)
		}
	}
}

// TestNoRoomForEtc is found out before the kernel and /etc are written, by what there
// is to write: the layer with it was small.
func TestNoRoomForEtc(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	var many []registrytest.Entry
	for i := range 300 {
		many = append(many, registrytest.File("etc/default/"+strings.Repeat("x", i%100+1)+strings.Repeat("y", i/100), "x"))
	}
	m.push(osVersion{version: "2", extra: many})
	filler := m.path("filler")
	m.must(m.with(func(s *Sysroot) error {
		free := room{bytes: 1 << 40}
		err := free.check(s.sys.Root, "")
		_, rest, _ := strings.Cut(err.Error(), "available: ")
		var available int
		for _, c := range rest {
			if c < '0' || c > '9' {
				break
			}
			available = available*10 + int(c-'0')
		}
		return os.WriteFile(filler, make([]byte, available-1<<20), 0o600)
	}))
	_, err := m.upgrade(StageOptions{})
	if !errors.Is(err, ErrNoRoom) || !strings.Contains(err.Error(), "for /etc") {
		t.Errorf("error %v", err)
	}
	m.wantPicture("booted 1")
	m.gcIsNoOp()
	m.must(os.Remove(filler))
	m.mustUpgrade()
	m.reboot()
	m.wantPicture("booted 2 | rollback 1")
}
