package e2e

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets four tests run at once, though only two machines run: the others build
// images.
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
