package image

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	libimage "go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"
)

// Raw is what a reference leads to, as the source has it: an index or a manifest that
// nobody has judged or understood. It is for looking at images, not for using them.
type Raw struct {
	Manifest  []byte // or index
	MediaType string // of Manifest: what it says itself, else what the source says

	// Unpacked says that the source has no layers as they were pulled, as
	// containers-storage and docker have not, so that Manifest lists the tars that it
	// gives instead.
	Unpacked bool

	im *Image
	op *opening
}

// OpenRaw fetches what ref names. Signatures do not matter, and of an index nothing is
// picked. The caller closes it.
func OpenRaw(ctx context.Context, ref Reference, o Options) (*Raw, error) {
	op := &opening{ref: ref, o: o.withDefaults()}
	r := &Raw{op: op}
	op.find = r.find
	if err := op.prepare(); err != nil {
		return nil, err
	}
	var err error
	if r.im, err = op.retry(ctx); err != nil {
		op.closeRegistry()
		return nil, err
	}
	return r, nil
}

// find fetches the manifest.
func (r *Raw) find(ctx context.Context, im *Image) (err error) {
	if r.Manifest, r.MediaType, err = libimage.UnparsedInstance(im.src, nil).Manifest(ctx); err != nil {
		return err
	}
	var says struct {
		MediaType string `json:"mediaType"`
	}
	if json.Unmarshal(r.Manifest, &says) == nil {
		r.MediaType = first(says.MediaType, r.MediaType)
	}
	if isIndexType(r.MediaType) {
		return nil
	}
	infos, err := im.src.LayerInfosForCopy(ctx, nil)
	if err == nil && infos == nil && (im.Ref.transport == "docker-archive" || im.Ref.transport == "docker-daemon") {
		infos, err = madeUp(r.Manifest)
	}
	if err != nil || infos == nil {
		return err
	}
	r.Unpacked = true
	r.Manifest, err = withLayers(r.Manifest, infos)
	return err
}

// madeUp are the layers of a source without a manifest. The library writes one, in which
// layers are in gzip, and gives tars.
func madeUp(data []byte) ([]types.BlobInfo, error) {
	m, err := manifest.Schema2FromManifest(data)
	if err != nil {
		return nil, err
	}
	infos := make([]types.BlobInfo, len(m.LayersDescriptors))
	for i, l := range m.LayersDescriptors {
		infos[i] = types.BlobInfo{MediaType: manifest.DockerV2SchemaLayerMediaTypeUncompressed, Digest: l.Digest, Size: l.Size}
	}
	return infos, nil
}

// withLayers exchanges the layers of a manifest.
func withLayers(data []byte, infos []types.BlobInfo) ([]byte, error) {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, &failure{class: class{ErrCorrupt, false}, cause: err, text: "the manifest is no JSON document: " + err.Error()}
	}
	layers := make([]v1.Descriptor, len(infos))
	for i, info := range infos {
		layers[i] = v1.Descriptor{MediaType: info.MediaType, Digest: info.Digest, Size: info.Size, Annotations: info.Annotations}
	}
	var err error
	if doc["layers"], err = json.Marshal(layers); err != nil {
		return nil, err
	}
	return json.Marshal(doc)
}

// Document fetches a manifest or an index that an index lists.
func (r *Raw) Document(ctx context.Context, d digest.Digest) ([]byte, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	retry := newRetrier(r.op.o)
	for {
		data, _, err := libimage.UnparsedInstance(r.im.src, &d).Manifest(ctx)
		if err == nil {
			return data, nil
		}
		if err := interrupted(ctx); err != nil {
			return nil, err
		}
		if err := retry.failed(ctx, r.op.failure(err).in(fmt.Sprintf("manifest %s", short(d)))); err != nil {
			return nil, err
		}
	}
}

// Blob streams what d describes, as [Image.OpenLayer] does.
func (r *Raw) Blob(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	if err := checkDescriptor(d); err != nil {
		return nil, err
	}
	return newStream(ctx, r.im.origin(), blob{
		digest: d.Digest, size: d.Size, name: fmt.Sprintf("blob %s", short(d.Digest)), task: fmt.Sprintf("blob %s", short(d.Digest)),
	}, r.op.o), nil
}

// Close frees what the source holds.
func (r *Raw) Close() error { return r.im.Close() }
