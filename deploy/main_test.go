package deploy

import (
	"os"
	"testing"

	"github.com/bootc-go/bootc/image"
)

// TestMain lets a store of images start the program anew.
func TestMain(m *testing.M) {
	if image.Reexec() {
		return
	}
	os.Exit(m.Run())
}
