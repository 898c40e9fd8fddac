package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/types"

	"github.com/bootc-go/bootc/internal/progress"
)

// Export is an image that its owner has in his own form, on its way to where other
// container tools find it.
type Export struct {
	Config      []byte // as it was pulled, so that the image has the same id
	Annotations map[string]string
	Layers      []ExportLayer // lowest first
}

// ExportLayer is a layer as a tar.
type ExportLayer struct {
	DiffID digest.Digest
	Size   int64 // of the tar in bytes
	Open   func() (io.ReadCloser, error)
}

// exportTransports are where images can be written to: on this machine.
var exportTransports = []string{"containers-storage", "dir", "oci", "oci-archive"}

// Write writes the image to dst, and returns the digest of the manifest that it has
// there. The layers are written as the tars they are. The error is ErrCorrupt if one is
// not that which its DiffID names; then nothing is called dst that was not before.
func (e Export) Write(ctx context.Context, dst Reference, o Options) (digest.Digest, error) {
	if !slices.Contains(exportTransports, dst.transport) {
		return "", fmt.Errorf("cannot write to %s: images are written to one of %s", dst, strings.Join(exportTransports, ", "))
	}
	manifest, err := e.manifest()
	if err == nil {
		err = e.write(ctx, dst, manifest, o.withDefaults())
	}
	if err != nil {
		return "", fmt.Errorf("cannot write to %s: %w", dst, err)
	}
	return digest.FromBytes(manifest), nil
}

// manifest is one for the layers as they are written.
func (e Export) manifest() ([]byte, error) {
	m := v1.Manifest{
		Versioned:   specs.Versioned{SchemaVersion: 2},
		MediaType:   v1.MediaTypeImageManifest,
		Config:      v1.Descriptor{MediaType: v1.MediaTypeImageConfig, Digest: digest.FromBytes(e.Config), Size: int64(len(e.Config))},
		Annotations: e.Annotations,
	}
	for _, l := range e.Layers {
		m.Layers = append(m.Layers, v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: l.DiffID, Size: l.Size})
	}
	return json.Marshal(m)
}

func (e Export) write(ctx context.Context, to Reference, manifest []byte, o Options) (err error) {
	ref, err := to.resolve()
	if err != nil {
		return err
	}
	dst, err := ref.NewImageDestination(ctx, o.systemContext())
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := dst.Close(); err == nil {
			err = closeErr
		}
	}()
	for i, l := range e.Layers {
		if err := e.layer(ctx, dst, i, o); err != nil {
			return fmt.Errorf("%s: %w", layerName(i, len(e.Layers), l.DiffID), err)
		}
	}
	info := types.BlobInfo{Digest: digest.FromBytes(e.Config), Size: int64(len(e.Config)), MediaType: v1.MediaTypeImageConfig}
	if _, err := dst.PutBlob(ctx, bytes.NewReader(e.Config), info, none.NoCache, true); err != nil {
		return fmt.Errorf("the configuration: %w", err)
	}
	if err := dst.PutManifest(ctx, manifest, nil); err != nil {
		return fmt.Errorf("the manifest: %w", err)
	}
	return dst.Commit(ctx, exported{ref, manifest})
}

// layer writes layer i, unless it is there.
func (e Export) layer(ctx context.Context, dst types.ImageDestination, i int, o Options) error {
	l := e.Layers[i]
	if err := l.DiffID.Validate(); err != nil {
		return err
	}
	info := types.BlobInfo{Digest: l.DiffID, Size: l.Size, MediaType: v1.MediaTypeImageLayer}
	ev := progress.Event{Task: l.DiffID.String(), Text: fmt.Sprintf("layer %d of %d", i+1, len(e.Layers)), Total: l.Size}
	reused, _, err := dst.TryReusingBlob(ctx, info, none.NoCache, false)
	if err != nil || reused {
		ev.Kind = progress.Reused
		o.Progress.Report(ev)
		return err
	}
	ev.Kind = progress.Started
	o.Progress.Report(ev)
	r, err := l.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	c := &exporting{ctx: ctx, r: r, layer: l, hash: l.DiffID.Algorithm().Hash(), ev: ev, report: o.Progress}
	if _, err = dst.PutBlob(ctx, c, info, none.NoCache, false); c.err != nil {
		err = c.err // the library's says less
	}
	if err == nil {
		ev.Kind, ev.Done = progress.Done, l.Size
		o.Progress.Report(ev)
	}
	return err
}

// exporting is a layer that is read. It does not end but with the right bytes: the library
// believes the digest that it is told.
type exporting struct {
	ctx    context.Context //nolint:containedctx // reading is one operation
	r      io.Reader
	ev     progress.Event
	told   int64
	layer  ExportLayer
	hash   hash.Hash
	err    error // that ended it, but io.EOF
	report progress.Func
}

func (x *exporting) Read(p []byte) (int, error) {
	if err := interrupted(x.ctx); err != nil {
		return 0, err
	}
	n, err := x.r.Read(p)
	x.ev.Done += int64(n)
	x.hash.Write(p[:n])
	if errors.Is(err, io.EOF) {
		err = x.verify()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		x.err = err
	}
	if x.ev.Done-x.told >= progressStep {
		x.told, x.ev.Kind = x.ev.Done, progress.Advanced
		x.report.Report(x.ev)
	}
	return n, err
}

// verify returns io.EOF if what was read is the layer.
func (x *exporting) verify() error {
	if x.ev.Done != x.layer.Size {
		return &failure{class: class{ErrCorrupt, false}, text: fmt.Sprintf("%s of %s bytes are there", comma(x.ev.Done), comma(x.layer.Size))}
	}
	if got := digest.NewDigest(x.layer.DiffID.Algorithm(), x.hash); got != x.layer.DiffID {
		return &failure{class: class{ErrCorrupt, false}, text: fmt.Sprintf("the bytes have the digest %s", got)}
	}
	return io.EOF
}

// exported is what the library wants to know when an image is complete.
type exported struct {
	ref      types.ImageReference
	manifest []byte
}

func (x exported) Reference() types.ImageReference { return x.ref }

func (x exported) Manifest(context.Context) ([]byte, string, error) {
	return x.manifest, v1.MediaTypeImageManifest, nil
}

func (x exported) Signatures(context.Context) ([][]byte, error) { return nil, nil }
