package pull_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/bootc-go/bootc/image/registrytest"
)

// TestMirrorWithWrongBytes: a mirror that has a damaged layer or configuration
// costs time, but the registry itself has the image.
func TestMirrorWithWrongBytes(t *testing.T) {
	for name, at := range map[string]int64{"in the middle": 2000, "at the end": -4, "configuration": 0} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.threeLayers()
			mirror := registrytest.New(t)
			mirror.Push("acme/os", "1", b)
			conf := fmt.Sprintf("[[registry]]\nprefix = \"quay.example/acme\"\nlocation = %q\n[[registry.mirror]]\nlocation = %q\n",
				filepath.Dir(w.name("1")), mirror.Addr()+"/acme")
			if err := os.WriteFile(filepath.Join(w.root, "etc/containers/registries.conf"), []byte(conf), 0o644); err != nil {
				t.Fatal(err)
			}
			l := b.Layers[1]
			bad := string(l.Digest)
			if at == 0 {
				bad = configDigest(b)
			}
			mirror.Inject(registrytest.Fault{Path: bad, Do: registrytest.Corrupt((at + l.Size) % l.Size)})
			w.mustPull(t, "quay.example/acme/os:1", "1")
			if n, _ := mirror.Gets(bad); n == 0 {
				t.Error("the mirror was not asked")
			}
			gc(t, w.repo) // of files that have wrong bytes
			sameListing(t, "compared with a pull without faults", w.control("1"), listing(t, w.repo))
		})
	}
}
