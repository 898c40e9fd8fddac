package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/types"
)

// local reads blobs through the library, once and from the start: right for
// files, archives and stores on this machine.
type local struct {
	src  types.ImageSource
	what string // for messages: "oci:/dir:tag"

	// mu guards GetBlob where it is not safe to call it twice at once. What it
	// returned may be read at any time: it is a file.
	mu sync.Mutex
}

func (l *local) open(ctx context.Context, b blob, off int64) (body, error) {
	if off > 0 {
		return nil, errors.New("internal error: local blobs are not resumed") // every error of localBody lasts
	}
	rc, size, err := l.getBlob(ctx, b)
	if err != nil {
		return nil, &failure{class: classify(err), cause: err, text: fmt.Sprintf("%s does not give it: %s", l.what, reason(err))}
	}
	if size >= 0 && b.size >= 0 && size != b.size {
		rc.Close()
		return nil, &failure{class: class{ErrCorrupt, false}, text: wrongSize(l.what, size, b.size)}
	}
	return &localBody{ReadCloser: rc, what: l.what, size: b.size}, nil
}

func wrongSize(place string, got, want int64) string {
	return fmt.Sprintf("%s has %s bytes where the manifest says %s", place, comma(got), comma(want))
}

func (l *local) getBlob(ctx context.Context, b blob) (io.ReadCloser, int64, error) {
	if !l.src.HasThreadSafeGetBlob() {
		l.mu.Lock()
		defer l.mu.Unlock()
	}
	return l.src.GetBlob(ctx, types.BlobInfo{Digest: b.digest, Size: b.size}, none.NoCache)
}

type localBody struct {
	io.ReadCloser
	what      string
	size, off int64 // size is -1 if unknown
}

func (b *localBody) place() string { return b.what }
func (b *localBody) blame()        {}

// Read turns an early end and every error into a lasting one: a file does not
// get better by being read again.
func (b *localBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.off += int64(n)
	switch {
	case errors.Is(err, io.EOF) && b.off < b.size:
		err = &failure{class: class{ErrCorrupt, false}, text: fmt.Sprintf("%s ended after %s of %s bytes", b.what, comma(b.off), comma(b.size))}
	case err != nil && !errors.Is(err, io.EOF):
		err = &failure{class: class{classify(err).kind, false}, cause: err, text: fmt.Sprintf("%s cannot be read: %s", b.what, reason(err))}
	}
	return n, err
}
