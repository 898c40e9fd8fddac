package testvm

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/bootc-go/bootc/internal/testcache"
	"github.com/bootc-go/bootc/internal/testtool"
)

// CutDisk is a disk with a cache that a power cut empties. It records all that
// is written to it, and tells afterwards what would be on it, had the power
// failed at any moment: all that was flushed by then, and of the rest some
// sectors and others not, in any order.
type CutDisk struct {
	base   string // what it began with
	listen net.Listener
	url    string

	mu   sync.Mutex
	disk *os.File // what the machine sees
	log  []diskWrite
}

// diskWrite is a write; or, with no data, a flush of all before it.
type diskWrite struct {
	off     int64
	data    []byte
	durable bool // at once, whatever becomes of others
}

// sector is what a disk writes whole or not at all.
const sector = 4096

// NewCutDisk returns a disk that begins with the content of the raw disk base.
func NewCutDisk(t testing.TB, base string) *CutDisk {
	t.Helper()
	dir, err := os.MkdirTemp("", "cutdisk") // t.TempDir makes names too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "nbd")
	d := &CutDisk{base: base, url: "nbd+unix:///?socket=" + socket}
	if d.disk, err = os.OpenFile(copySparse(t, base), os.O_RDWR, 0); err != nil {
		t.Fatal(err)
	}
	if d.listen, err = net.Listen("unix", socket); err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := d.listen.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				if err := serveNBD(conn, d); err != nil {
					t.Errorf("cut disk: %v", err)
				}
			})
		}
	})
	t.Cleanup(func() {
		d.listen.Close()
		serving.Wait()
		d.disk.Close()
		os.RemoveAll(dir)
	})
	return d
}

// URL is the disk's path for Options.
func (d *CutDisk) URL() string { return d.url }

// Now is the present moment: the number of writes and flushes so far. Any
// goroutine may call it.
func (d *CutDisk) Now() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.log)
}

// Flushes are the moments within [from, to) at which the machine flushed.
func (d *CutDisk) Flushes(from, to int) []int { return d.moments(from, to, true) }

// Writes are the moments within [from, to) at which the machine wrote.
func (d *CutDisk) Writes(from, to int) []int { return d.moments(from, to, false) }

func (d *CutDisk) moments(from, to int, flush bool) []int {
	d.mu.Lock()
	defer d.mu.Unlock()
	var at []int
	for i := from; i < to; i++ {
		if (d.log[i].data == nil) == flush {
			at = append(at, i)
		}
	}
	return at
}

// Cut returns a raw disk as it is when the power fails at a moment. What was not
// flushed by then is there or not, sector by sector, as random says; nothing of it, if
// random is nil.
func (d *CutDisk) Cut(t testing.TB, moment int, random *rand.Rand) string {
	t.Helper()
	path := copySparse(t, d.base)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	flushed := moment
	for flushed > 0 && d.log[flushed-1].data != nil {
		flushed--
	}
	for i, w := range d.log[:moment] {
		for at := 0; at < len(w.data); at += sector {
			if i >= flushed && !w.durable && (random == nil || random.IntN(2) == 0) {
				continue
			}
			if _, err := f.WriteAt(w.data[at:min(at+sector, len(w.data))], w.off+int64(at)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return path
}

func copySparse(t testing.TB, from string) string {
	t.Helper()
	to := filepath.Join(testcache.TempDir(t), "disk.raw")
	run(t, exec.Command(testtool.Path(t, "cp"), "--sparse=always", from, to))
	return to
}

func (d *CutDisk) size() int64 {
	st, err := d.disk.Stat()
	if err != nil {
		panic(fmt.Sprintf("an open file has no size: %v", err))
	}
	return st.Size()
}

func (d *CutDisk) readAt(p []byte, off int64) error {
	_, err := d.disk.ReadAt(p, off)
	return err
}

func (d *CutDisk) writeAt(p []byte, off int64, durable bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = append(d.log, diskWrite{off, p, durable})
	_, err := d.disk.WriteAt(p, off)
	return err
}

func (d *CutDisk) flush() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = append(d.log, diskWrite{})
	return nil
}
