package erofs

import (
	"fmt"
	"io"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// systemTree is like an installed system: mostly external files with a label,
// a dozen to a directory, of a few times.
func systemTree(inodes int, alg verity.Algorithm) *tree.Node {
	const perDir = 12
	root := holding(directory(0o755))
	var dir *tree.Node
	for i := range inodes {
		if i%perDir == 0 {
			dir = with(at(directory(0o755), 1_700_000_000+int64(i%50), 0), "security.selinux", "system_u:object_r:usr_t:s0")
			top := fmt.Sprintf("top-%03d", i/perDir/64)
			if root.Child(top) == nil {
				root.SetChild(top, directory(0o755))
			}
			root.Child(top).SetChild(fmt.Sprintf("directory-%05d", i/perDir), dir)
			continue
		}
		dir.SetChild(fmt.Sprintf("some-file-%06d.ext", i), systemFile(i, alg))
	}
	tree.SetLinks(root)
	return root
}

func systemFile(i int, alg verity.Algorithm) *tree.Node {
	var n *tree.Node
	switch i % 12 {
	case 1:
		n = symlink(fmt.Sprintf("../target-%06d", i))
	case 2:
		n = inline(text(i % 65))
	default:
		n = externalAlg(alg, 65+uint64(i)*97%100_000, fmt.Sprint(i))
	}
	n.SetXattr("security.selinux", fmt.Appendf(nil, "system_u:object_r:type_%d_t:s0", i%40))
	return at(n, 1_700_000_000+int64(i%5000), uint32(i%3)*1000)
}

// cpuTime is what the process has used until now, all threads together: a
// measure that other work on the machine does not disturb much.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func reportCPU(b *testing.B, start time.Duration) {
	b.Helper()
	b.ReportMetric(float64(cpuTime(b)-start)/float64(b.N)/1e6, "cpu-ms/op")
}

func BenchmarkWrite(b *testing.B) {
	for _, alg := range []verity.Algorithm{verity.SHA256, verity.SHA512} {
		root := systemTree(200_000, alg)
		b.Run("200k-"+alg.String(), func(b *testing.B) {
			b.ReportAllocs()
			defer reportCPU(b, cpuTime(b))
			for b.Loop() {
				if err := Write(io.Discard, root, Options{Version: V1}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDigest(b *testing.B) {
	for _, alg := range []verity.Algorithm{verity.SHA256, verity.SHA512} {
		root := systemTree(200_000, alg)
		b.Run("200k-"+alg.String(), func(b *testing.B) {
			defer reportCPU(b, cpuTime(b))
			for b.Loop() {
				if _, err := Digest(root, Options{Algorithm: alg, Version: V1}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	img := image(b, systemTree(200_000, verity.SHA512), Options{Version: V1})
	b.ReportAllocs()
	defer reportCPU(b, cpuTime(b))
	for b.Loop() {
		readImage(b, img)
	}
}
