package image

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/types"
)

// shortSource has blobs that end early, which it does not know beforehand.
type shortSource struct{ types.ImageSource }

func (shortSource) HasThreadSafeGetBlob() bool { return true }

func (shortSource) GetBlob(context.Context, types.BlobInfo, types.BlobInfoCache) (io.ReadCloser, int64, error) {
	return io.NopCloser(strings.NewReader("short")), -1, nil
}

// TestLocalBlobEndsEarly: a file that ends early has ended.
func TestLocalBlobEndsEarly(t *testing.T) {
	t.Parallel()
	b := blob{digest: digest.FromString("short of this"), size: 13, name: "layer 1 of 1"}
	s := newStream(t.Context(), &local{src: shortSource{}, what: "dir:/x"}, b, Options{}.withDefaults())
	defer s.Close()
	_, err := io.ReadAll(s)
	if want := "layer 1 of 1: dir:/x ended after 5 of 13 bytes"; !errors.Is(err, ErrCorrupt) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
