package verity

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fakeKernel behaves as fs/verity does for one file.
type fakeKernel struct {
	busy    int   // how many calls still find a writer
	failure error // of every call
	enabled Algorithm
	content []byte
	slept   time.Duration
}

func (k *fakeKernel) ioctls() *ioctls {
	return &ioctls{call: k.call, sleep: func(d time.Duration) { k.slept += d }}
}

func (k *fakeKernel) call(_, request uintptr, arg unsafe.Pointer) error {
	switch {
	case k.failure != nil:
		return k.failure
	case request == unix.FS_IOC_ENABLE_VERITY:
		return k.enable((*unix.FsverityEnableArg)(arg))
	case request == unix.FS_IOC_MEASURE_VERITY:
		return k.measure((*measurement)(arg))
	}
	return unix.ENOTTY
}

func (k *fakeKernel) enable(arg *unix.FsverityEnableArg) error {
	switch {
	case arg.Version != 1 || arg.Block_size != 4096 || arg.Salt_size != 0 || arg.Sig_size != 0:
		return unix.EINVAL
	case k.enabled != 0:
		return unix.EEXIST
	case k.busy > 0:
		k.busy--
		return unix.ETXTBSY
	}
	k.enabled = Algorithm(arg.Hash_algorithm)
	return nil
}

func (k *fakeKernel) measure(m *measurement) error {
	if k.enabled == 0 {
		return unix.ENODATA
	}
	if int(m.Size) < k.enabled.Size() {
		return unix.EOVERFLOW
	}
	m.Algorithm, m.Size = uint16(k.enabled), uint16(k.enabled.Size())
	copy(m.sum[:], Sum(k.enabled, k.content).Bytes())
	return nil
}

func someFile(t *testing.T, content []byte) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestEnableThenMeasure(t *testing.T) {
	for _, alg := range []Algorithm{SHA256, SHA512} {
		content := bytes.Repeat([]byte("x"), 10_000)
		f, k := someFile(t, content), &fakeKernel{content: content}
		if _, err := k.ioctls().measure(f); !errors.Is(err, ErrNotEnabled) {
			t.Errorf("measure before enable: %v, want ErrNotEnabled", err)
		}
		for range 2 { // the second finds it enabled
			if err := k.ioctls().enable(f, alg); err != nil {
				t.Fatal(err)
			}
		}
		d, err := k.ioctls().measure(f)
		if err != nil || d != Sum(alg, content) {
			t.Errorf("measure = %v, %v", d, err)
		}
	}
}

func TestEnableWaitsForWriters(t *testing.T) {
	k := &fakeKernel{busy: 3}
	if err := k.ioctls().enable(someFile(t, nil), SHA256); err != nil {
		t.Errorf("a writer that goes away: %v", err)
	}
	if k.slept != 7*time.Millisecond {
		t.Errorf("slept %v, want 1+2+4 ms", k.slept)
	}
	k = &fakeKernel{busy: 1 << 30}
	err := k.ioctls().enable(someFile(t, nil), SHA256)
	if !errors.Is(err, ErrBusy) || !errors.Is(err, unix.ETXTBSY) {
		t.Errorf("a writer that stays: %v, want ErrBusy and ETXTBSY", err)
	}
	if k.slept > time.Second {
		t.Errorf("slept %v", k.slept)
	}
}

func TestKernelErrorsAreClassified(t *testing.T) {
	for _, c := range []struct {
		errno unix.Errno
		want  error
	}{
		{unix.ENOTTY, ErrNotSupported},
		{unix.EOPNOTSUPP, ErrNotSupported},
		{unix.ENOSYS, ErrNotSupported},
		{unix.EPERM, unix.EPERM},
		{unix.EROFS, unix.EROFS},
	} {
		k := (&fakeKernel{failure: c.errno}).ioctls()
		if err := k.enable(someFile(t, nil), SHA256); !errors.Is(err, c.want) || !errors.Is(err, c.errno) {
			t.Errorf("enable with %v: %v", c.errno, err)
		}
		if _, err := k.measure(someFile(t, nil)); !errors.Is(err, c.want) || !errors.Is(err, c.errno) {
			t.Errorf("measure with %v: %v", c.errno, err)
		}
	}
}

// TestRealKernel runs the ioctls on the kernel at hand: it either supports
// fs-verity and agrees with Sum, or says clearly that it does not.
func TestRealKernel(t *testing.T) {
	content := bytes.Repeat([]byte("content"), 12_345)
	for _, alg := range []Algorithm{SHA256, SHA512} {
		f := someFile(t, content)
		err := Enable(f, alg)
		if errors.Is(err, ErrNotSupported) {
			if _, err := Measure(f); !errors.Is(err, ErrNotSupported) && !errors.Is(err, ErrNotEnabled) {
				t.Errorf("Enable is not supported, but Measure says %v", err)
			}
			t.Logf("fs-verity is not supported on %s", f.Name())
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		d, err := Measure(f)
		if err != nil || d != Sum(alg, content) {
			t.Errorf("%s: Measure = %v, %v; Sum = %v", alg, d, err, Sum(alg, content))
		}
		if err := Enable(f, alg); err != nil {
			t.Errorf("Enable again: %v", err)
		}
	}
}

func TestClosedFile(t *testing.T) {
	f := someFile(t, nil)
	f.Close()
	if err := Enable(f, SHA256); err == nil || errors.Is(err, ErrNotSupported) {
		t.Errorf("Enable of a closed file: %v", err)
	}
	if _, err := Measure(f); err == nil || errors.Is(err, ErrNotSupported) {
		t.Errorf("Measure of a closed file: %v", err)
	}
}
