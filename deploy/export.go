package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/image"
)

// Export opens the image of a deployment, for other container tools: what it was pulled
// from, layers bit for bit as they were below their compression. source is how the image
// is called, as the status shows it, or the digest of its manifest; "" means the one that
// runs. The error is ErrNotFound if no deployment has such an image. What it returns is of
// use until s is closed.
func (s *Sysroot) Export(ctx context.Context, source string) (*image.Export, error) {
	e, err := s.export(ctx, source)
	if err != nil {
		what := "the image that runs"
		if source != "" {
			what = source
		}
		return nil, fmt.Errorf("cannot read %s: %w", what, err)
	}
	return e, nil
}

func (s *Sysroot) export(ctx context.Context, source string) (*image.Export, error) {
	o, err := s.exportOrigin(source)
	if err != nil {
		return nil, err
	}
	r, err := s.repository(ctx)
	if err != nil {
		return nil, err
	}
	img, err := oci.Open(r, o.manifest)
	if err != nil {
		return nil, err
	}
	out := &image.Export{Config: img.ConfigJSON}
	var doc struct {
		Annotations map[string]string `json:"annotations"`
	}
	if err := json.Unmarshal(img.ManifestJSON, &doc); err != nil {
		return nil, err
	}
	out.Annotations = doc.Annotations
	for _, l := range img.Layers {
		layer, err := exportLayer(r, l.ID)
		if err != nil {
			return nil, err
		}
		out.Layers = append(out.Layers, layer)
	}
	return out, nil
}

// exportOrigin finds the deployment with the image. Of several the first in the menus
// counts, the one that runs before all.
func (s *Sysroot) exportOrigin(source string) (origin, error) {
	m, err := s.menus()
	if err != nil {
		return origin{}, err
	}
	all := m.all()
	if booted, err := s.bootedEntry(m); err == nil {
		all = append([]bootloader.Entry{booted}, all...)
	} else if source == "" {
		return origin{}, err
	}
	for _, e := range all {
		o, err := s.origin(e.ID)
		if err != nil {
			s.warn("%v", err)
			continue
		}
		if o.manifest != "" && (source == "" || o.called(source)) {
			return o, nil
		}
	}
	if source == "" {
		return origin{}, errors.New("the origin of the deployment does not say which it is")
	}
	return origin{}, fmt.Errorf("%w: no deployment is of this image", ErrNotFound)
}

// called reports whether the image of the deployment is called name.
func (o origin) called(name string) bool {
	ref := o.target.Ref
	return name == o.manifest.String() || !ref.IsZero() && (name == ref.String() || name == ref.Name() || name == o.target.name())
}

func exportLayer(r *repo.Repo, diffID digest.Digest) (image.ExportLayer, error) {
	st, err := oci.OpenLayer(r, diffID)
	if err != nil {
		return image.ExportLayer{}, err
	}
	l := image.ExportLayer{DiffID: diffID, Size: int64(st.Size())}
	l.Open = func() (io.ReadCloser, error) {
		st, err := oci.OpenLayer(r, diffID)
		if err != nil {
			return nil, err
		}
		return newTarReader(st), nil
	}
	return l, st.Close()
}

// tarReader is the tar of a splitstream. It puts the tar together in a goroutine, which
// has ended when Close returns.
type tarReader struct {
	*io.PipeReader
	done chan struct{}
}

func newTarReader(st *repo.StreamReader) *tarReader {
	r, w := io.Pipe()
	t := &tarReader{r, make(chan struct{})}
	go func() {
		defer close(t.done)
		w.CloseWithError(errors.Join(st.Cat(w), st.Close()))
	}()
	return t
}

// Close implements io.Closer.
func (t *tarReader) Close() error {
	err := t.PipeReader.Close()
	<-t.done
	return err
}
