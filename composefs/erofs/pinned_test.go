package erofs

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// object is a file whose content is text(size), outside the image if it is
// longer than 64 bytes.
func object(size int) *tree.Node {
	data := text(size)
	if size <= 64 {
		return inline(data)
	}
	n := externalAlg(verity.SHA512, uint64(size), data)
	return n
}

// pinnedSmall has one of each thing, pinnedLarge many of some.
func pinnedSmall() *tree.Node {
	twice := linked(object(300), 2)
	return holding(at(with(directory(0o755), "user.root", "yes"), 1_600_000_000, 0),
		"bin", symlink("usr/bin"), "big", object(70_000), "empty", inline(""), "inline", at(object(64), 1_600_000_000, 0), "external", object(65),
		"dir", holding(owned(directory(0o1777), 1000, 100_000), "again", twice, "fifo", node(unix.S_IFIFO|0o600), "null", device(unix.S_IFCHR|0o666, 0x103),
			"disk", device(unix.S_IFBLK|0o660, 0x800), "socket", node(unix.S_IFSOCK|0o755), "gone", whiteout()),
		"once", twice, "setuid", with(inlineMode("x", 0o4755), "security.capability", "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
		"nanoseconds", at(object(1000), 1_650_000_000, 123_456_789))
}

func pinnedLarge() *tree.Node {
	root := holding(directory(0o755), "many", directory(0o755), "labels", directory(0o700))
	for i := range 6000 {
		root.Child("many").SetChild(fmt.Sprintf("file-%04d-%s", i, text(i%50)), object(i%130))
	}
	for i := range 500 {
		n := with(at(object(i*13%4000), 1_700_000_000+int64(i%3), uint32(i%2)), "user.label", fmt.Sprint(i%9), "user.own", fmt.Sprint(i))
		root.Child("labels").SetChild(fmt.Sprintf("f%d", i), n)
		root.Child("labels").SetChild(fmt.Sprintf("l%d", i), symlink(text(1+i*2)))
	}
	return root
}

// pinned are digests that must never change: images in the field are signed by
// them. They are what cfsctl 0.9.4 of composefs-rs printed for a directory with
// the same files:
//
//	cfsctl --no-repo --hash sha512 --erofs-version VERSION compute-id --no-propagate-usr-to-root DIRECTORY
var pinned = []struct {
	name    string
	tree    func() *tree.Node
	version Version
	digest  string
}{
	{"small", pinnedSmall, V0, "b2cdb1b623801960ba7a7b0d9e8b1871423d2d71215c9c69b4374f3558d70360d4a321ac8ff099bfeb90e0d49fb3df5a1a47e4fee9826bc2384f9d20f21a78c4"},
	{"small", pinnedSmall, V1, "b3fceec6689522f478ed3c2c8a255706e63e63de8070c7bc486669dd82bdfed4ee0dc4f8d5a5ba1d0cce709b1141556ca025a7620ee05a1d005a9ec6456839ef"},
	{"large", pinnedLarge, V0, "d571860d7e0e25fb027b82515bf867034cb359f461c88e8b1f00c07b904d86beca7afcc423993132db18115a0baa1fa6b2818e954f0942ec8614ee29b6041592"},
	{"large", pinnedLarge, V1, "92d091b204fddfd18677f18ecc58bd760c3eb776591e465b4cbdf5a0ddc89d8850db2bbb7703575bddbde18128c4ae859470e8eb208a9ee56ac28eefba07091a"},
}

func TestDigestsStayWhatComposefsRsComputes(t *testing.T) {
	for _, p := range pinned {
		t.Run(fmt.Sprintf("%s/V%d", p.name, p.version), func(t *testing.T) {
			got, err := Digest(p.tree(), Options{Algorithm: verity.SHA512, Version: p.version})
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != p.digest {
				t.Errorf("Digest = %v, want %s", got, p.digest)
			}
		})
	}
}
