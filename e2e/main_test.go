package e2e

import (
	"flag"
	"os"
	"testing"
)

// TestMain has more tests at once than machines run (see testvm): some build images or
// disks, while those of others boot.
func TestMain(m *testing.M) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		if err := flag.Set("test.parallel", "4"); err != nil {
			panic(err) // testing has that flag
		}
	}
	os.Exit(m.Run())
}
