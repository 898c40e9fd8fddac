package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptrace"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	libimage "go.podman.io/image/v5/image"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/types"
)

// Open fetches what there is to know about an image short of its layers, in
// this order: the manifest or index; the verdict of the signature policy on it;
// the image for this machine out of an index, and the verdict on that one if
// the index itself was not accepted; the configuration. What fails for a
// passing reason is tried again. The error is one sentence.
func Open(ctx context.Context, ref Reference, o Options) (*Image, error) {
	op := opening{ref: ref, o: o.withDefaults()}
	op.find = op.resolve
	if err := op.prepare(); err != nil {
		return nil, err
	}
	var err error
	if op.policy, err = loadPolicy(op.ref, op.o, op.sys); err != nil {
		return nil, err
	}
	defer op.policy.close()
	im, err := op.retry(ctx)
	if err != nil {
		op.closeRegistry()
		return nil, err
	}
	if err := im.complete(ctx); err != nil {
		_ = im.Close() // only read from
		return nil, err
	}
	return im, nil
}

// opening is what attempts to open an image share.
type opening struct {
	ref      Reference
	o        Options
	sys      *types.SystemContext
	lib      types.ImageReference
	policy   *policy
	registry *registry // nil for other transports

	// find fills in the manifest.
	find func(context.Context, *Image) error
}

// prepare reads the configuration.
func (op *opening) prepare() error {
	op.sys = op.o.systemContext()
	if op.ref.transport == registryTransport {
		reg, err := newRegistry(op.ref.name, op.o, op.sys)
		if err != nil {
			return err
		}
		op.registry = reg
	}
	var err error
	op.lib, err = op.ref.resolve()
	return err
}

func (op *opening) closeRegistry() {
	if op.registry != nil {
		op.registry.close()
	}
}

// retry attempts until an attempt succeeds or fails for good.
func (op *opening) retry(ctx context.Context) (*Image, error) {
	retry := newRetrier(op.o)
	for silent := true; ; {
		im, err := op.attempt(ctx)
		if err == nil {
			return im, nil
		}
		if err := interrupted(ctx); err != nil {
			return nil, err
		}
		f := op.failure(err)
		retry.Attempts = op.o.Retry.Attempts
		if silent = silent && op.nobody(f); silent {
			retry.Attempts = min(retry.Attempts, 2)
		}
		if f.temporary && op.registry != nil && !errors.Is(f.cause, errStalled) {
			f.after = max(f.after, op.registry.askWhen(ctx, op.lib.DockerReference()))
		}
		if err := retry.failed(ctx, f); err != nil {
			return nil, err
		}
	}
}

// nobody reports whether nobody listens where the registry should be. If that is
// all that was ever heard of it, its name is likely mistyped, and people should
// not have to wait for a pull's full stubbornness to learn it. Who has configured
// mirrors has mistyped nothing.
func (op *opening) nobody(f *failure) bool {
	return op.registry != nil && len(op.registry.endpoints) == 1 && errors.Is(f, syscall.ECONNREFUSED)
}

// attempt finds the image's manifest and has it judged.
func (op *opening) attempt(ctx context.Context) (_ *Image, err error) {
	ctx, dog := watch(ctx, op.o.Clock, op.o.Retry.Stall)
	defer dog.end()
	if op.registry != nil {
		ctx = dog.trace(ctx)
	}
	defer func() {
		if err != nil && errors.Is(context.Cause(ctx), errStalled) {
			err = errStalled
		}
	}()
	src, err := op.lib.NewImageSource(ctx, op.sys)
	if err != nil {
		return nil, err
	}
	im := &Image{Ref: op.ref, src: src, registry: op.registry, opts: op.o}
	if err := op.find(ctx, im); err != nil {
		_ = src.Close() // only read from
		return nil, err
	}
	return im, nil
}

// trace makes the watchdog watch requests of the library. Silence before an
// answer is judged by the limit; after its first byte the library may, for a
// busy registry, sleep up to a minute before it asks again.
func (w *watchdog) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:              func(string) { w.timer.Reset(w.limit) },
		GotFirstResponseByte: func() { w.timer.Reset(w.limit + time.Minute) },
		PutIdleConn:          func(error) { w.timer.Stop() },
	})
}

// resolve fills in the manifest of the image for this machine, once the policy has
// accepted it.
func (op *opening) resolve(ctx context.Context, im *Image) error {
	top := libimage.UnparsedInstance(im.src, nil)
	verdict := op.policy.check(ctx, top)
	if verdict != nil && !errors.Is(verdict, ErrSignature) {
		return verdict
	}
	data, mediaType, err := top.Manifest(ctx)
	if err != nil {
		return err
	}
	if err := op.checkLayout(data); err != nil {
		return err
	}
	if verdict != nil && !isIndexType(mediaType) {
		return verdict
	}
	doc, err := parseDocument(data, mediaType)
	if err != nil {
		return op.ref.named(err)
	}
	d := op.digestOf(data)
	if doc.isIndex() {
		return op.resolveInstance(ctx, im, doc, data, verdict)
	}
	if verdict != nil {
		return verdict
	}
	im.Manifest, im.ManifestDigest, im.doc = data, d, doc
	return op.ref.named(doc.checkImage())
}

// resolveInstance picks the image out of an index. verdict is the policy's on
// the index; if it was bad, the image's own signature decides.
func (op *opening) resolveInstance(ctx context.Context, im *Image, index *document, data []byte, verdict error) error {
	chosen, err := choose(index, data, op.ref, op.o, op.sys)
	if err != nil {
		return op.ref.named(err)
	}
	inst := libimage.UnparsedInstance(im.src, &chosen.Digest)
	if verdict != nil {
		if err := op.policy.check(ctx, inst); err != nil {
			return err
		}
	}
	im.IndexDigest, im.instance = op.digestOf(data), &chosen.Digest
	manifest, mediaType, err := inst.Manifest(ctx)
	if err != nil {
		return err
	}
	if im.doc, err = parseDocument(manifest, first(chosen.MediaType, mediaType)); err != nil {
		return op.ref.named(err)
	}
	if im.doc.isIndex() {
		return op.ref.named(unsupported("the index leads to another index (%s)", short(chosen.Digest)))
	}
	im.Manifest, im.ManifestDigest = manifest, chosen.Digest
	return op.ref.named(im.doc.checkImage())
}

// digestOf is the digest that the reference gives, which the library has
// checked, or the common one.
func (op *opening) digestOf(data []byte) digest.Digest {
	if named, ok := op.lib.DockerReference().(interface{ Digest() digest.Digest }); ok {
		return named.Digest()
	}
	return digest.FromBytes(data)
}

// checkLayout verifies the manifest of an OCI layout, which the library takes as
// it is.
func (op *opening) checkLayout(data []byte) error {
	if op.ref.transport != "oci" {
		return nil
	}
	desc, err := layout.LoadManifestDescriptor(op.lib)
	if err != nil {
		return err
	}
	return op.ref.named(checkDigest("the manifest", data, desc.Digest))
}

// failure makes a sentence of an error of the library.
func (op *opening) failure(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	f := &failure{class: classify(err), cause: err}
	why := reason(err)
	switch {
	case errors.Is(err, errStalled):
		f.text = fmt.Sprintf("%s did not answer for %s", op.ref.place(), op.o.Retry.Stall)
	case errors.Is(f.kind, ErrCorrupt):
		f.text = fmt.Sprintf("%s gives another manifest than was asked for, for %s", op.ref.place(), op.ref.human())
	case op.registry == nil:
		f.text = fmt.Sprintf("%s: %s", op.ref, why)
	case errors.Is(f.kind, ErrUnauthorized):
		f.text = fmt.Sprintf("%s refuses access to %s: %s", op.ref.place(), op.ref.human(), why)
	case errors.Is(f.kind, ErrNotFound):
		f.text = fmt.Sprintf("%s has no %s: %s", op.ref.place(), op.ref.human(), why)
	case errors.Is(f.kind, ErrUnavailable):
		f.text = fmt.Sprintf("%s is unavailable: %s", op.ref.place(), why)
	case errors.Is(f.kind, ErrUnreachable):
		f.text = fmt.Sprintf("%s is unreachable: %s", op.ref.place(), why)
	case errors.Is(f.kind, ErrTLS):
		f.text = fmt.Sprintf("%s cannot be trusted: %s", op.ref.place(), why)
	default:
		f.text = fmt.Sprintf("%s: %s", op.ref.human(), why)
	}
	return f
}

// complete fills in the configuration and the layers.
func (im *Image) complete(ctx context.Context) error {
	im.ManifestType, im.ConfigDigest = im.doc.MediaType, im.doc.Config.Digest
	data, err := im.readConfig(ctx)
	if err != nil {
		return err
	}
	c, err := parseConfig(data, len(im.doc.Layers))
	if err == nil {
		err = checkPlatform(c, im.Ref, im.opts)
	}
	if err != nil {
		return im.Ref.named(err)
	}
	im.Config, im.Platform = data, c.Platform
	im.Layers = layersOf(im.doc, c)
	return im.useStoredLayers(ctx)
}

func layersOf(doc *document, c *v1.Image) []Layer {
	layers := make([]Layer, len(doc.Layers))
	for i, l := range doc.Layers {
		layers[i] = Layer{Digest: l.Digest, DiffID: c.RootFS.DiffIDs[i], Size: l.Size, MediaType: l.MediaType, Annotations: l.Annotations}
	}
	return layers
}

// useStoredLayers takes over how the source itself has the layers:
// containers-storage has unpacked them.
func (im *Image) useStoredLayers(ctx context.Context) error {
	infos, err := im.src.LayerInfosForCopy(ctx, im.instance)
	if err != nil {
		return &failure{class: classify(err), cause: err, text: fmt.Sprintf("%s: %s", im.Ref, err)}
	}
	if infos == nil {
		return nil
	}
	if len(infos) != len(im.Layers) {
		return im.Ref.named(&failure{class: class{ErrCorrupt, false}, text: fmt.Sprintf("%d layers are stored, the manifest lists %d", len(infos), len(im.Layers))})
	}
	for i, info := range infos {
		l := &im.Layers[i]
		l.Digest, l.Size, l.MediaType, l.Annotations = info.Digest, info.Size, info.MediaType, info.Annotations
	}
	return nil
}

// readConfig returns the verified configuration, fetched only if it is not here
// already.
func (im *Image) readConfig(ctx context.Context) ([]byte, error) {
	desc := im.doc.Config
	if data, ok := im.opts.Config(desc.Digest); ok && checkDigest("the configuration", data, desc.Digest) == nil {
		return data, nil
	}
	var data []byte
	var err error
	for range im.Sources() {
		data, err = im.fetchConfig(ctx)
		if !errors.Is(err, ErrCorrupt) {
			break
		}
	}
	return data, err
}

func (im *Image) fetchConfig(ctx context.Context) ([]byte, error) {
	desc := im.doc.Config
	s := newStream(ctx, im.origin(), blob{digest: desc.Digest, size: desc.Size, name: fmt.Sprintf("configuration (%s)", short(desc.Digest))}, im.opts)
	defer s.Close()
	return io.ReadAll(s)
}
