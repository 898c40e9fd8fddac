package repo

import (
	"encoding/binary"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/verity"
)

// loop is b.Loop with the CPU time of an operation besides, which a busy
// machine does not spoil as it does the time on the clock.
func loop(b *testing.B, op func(n uint64)) {
	b.ReportAllocs()
	var before, after unix.Rusage
	mustNil(b, unix.Getrusage(unix.RUSAGE_SELF, &before))
	for n := uint64(0); b.Loop(); n++ {
		op(n)
	}
	mustNil(b, unix.Getrusage(unix.RUSAGE_SELF, &after))
	spent := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	b.ReportMetric(float64(spent)/float64(b.N), "cpu-ns/op")
}

// BenchmarkPut stores files of the mean size in a distribution's image. "new"
// writes each, "reused" finds each there already, "hash" is what both spend on
// the digest.
func BenchmarkPut(b *testing.B) {
	const size = 24_000
	for _, alg := range []verity.Algorithm{verity.SHA256, verity.SHA512} {
		data := randomBytes(1, size)
		b.Run(fmt.Sprint(alg, "/hash"), func(b *testing.B) {
			b.SetBytes(size)
			h := verity.NewHasher(alg)
			loop(b, func(uint64) {
				h.Reset()
				h.Write(data)
				h.Sum()
			})
		})
		b.Run(fmt.Sprint(alg, "/new"), func(b *testing.B) {
			im := newRepo(b, alg).NewImporter()
			b.SetBytes(size)
			loop(b, func(n uint64) {
				binary.LittleEndian.PutUint64(data, n)
				put(b, im, data)
			})
		})
		b.Run(fmt.Sprint(alg, "/reused"), func(b *testing.B) {
			im := newRepo(b, alg).NewImporter()
			put(b, im, data)
			b.SetBytes(size)
			loop(b, func(uint64) { put(b, im, data) })
		})
	}
}

// BenchmarkMissing asks for 100,000 objects of which half are there.
func BenchmarkMissing(b *testing.B) {
	r := newRepo(b, verity.SHA512)
	var ds []verity.Digest
	for i := range 100_000 {
		d, err := verity.FromBytes(verity.SHA512, randomBytes(uint64(i), 64))
		mustNil(b, err)
		ds = append(ds, d)
		if i%2 == 0 {
			mustNil(b, r.makeFanOut(newObject(d, 0).dir()))
			mustNil(b, unix.Mknodat(r.fd, objectPath(d), unix.S_IFREG|fileMode, 0))
		}
	}
	loop(b, func(uint64) {
		missing, err := r.Missing(ds)
		if err != nil || len(missing) != len(ds)/2 {
			b.Fatal(len(missing), err)
		}
	})
}
