package image_test

import (
	"os"
	"testing"

	"github.com/bootc-go/bootc/image"
)

func TestMain(m *testing.M) {
	if image.Reexec() {
		return
	}
	os.Exit(m.Run())
}
