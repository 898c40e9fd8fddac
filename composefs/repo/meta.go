package repo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/bootc-go/bootc/composefs/verity"
)

const (
	metaName      = "meta.json"
	metaMaxSize   = 1 << 20 // refuse to read more
	formatVersion = 1       // the highest version that this package knows

	// featureV1 in read-only-compatible says that images are of version 1. It
	// keeps programs that cannot write them from writing others.
	featureV1 = "v1_erofs"
)

// metadata is meta.json (docs/reference/formats/repository.md).
type metadata struct {
	Version      int           `json:"version"`
	Algorithm    string        `json:"algorithm"`
	Features     features      `json:"features"`
	ErofsFormats *erofsFormats `json:"erofs_formats,omitempty"`
}

// features follows the model of ext4: what an older program must do when it
// meets a name that it does not know is said by the list the name is in.
type features struct {
	Compatible         []string `json:"compatible"`
	ReadOnlyCompatible []string `json:"read-only-compatible"`
	Incompatible       []string `json:"incompatible"`
}

// erofsFormats is the version of the images that the repository's owner wants:
// one that gets the name, and others made beside it.
type erofsFormats struct {
	Default int   `json:"default"`
	Extra   []int `json:"extra,omitempty"`
}

// newMetadata is what Init writes.
func newMetadata(c Config) metadata {
	m := metadata{
		Version:   formatVersion,
		Algorithm: c.algorithm().ID(),
		Features:  features{[]string{}, []string{}, []string{}},
	}
	m.ErofsFormats = &erofsFormats{Default: c.erofsVersion()}
	if m.ErofsFormats.Default == 1 {
		m.Features.ReadOnlyCompatible = append(m.Features.ReadOnlyCompatible, featureV1)
	}
	return m
}

// encode returns the bytes that composefs-rs writes for m.
func (m metadata) encode() ([]byte, error) {
	data, err := json.MarshalIndent(m, "", "  ")
	return append(data, '\n'), err
}

// readMetadata parses and judges meta.json. Its errors are ErrBadMetadata or
// ErrUnsupported, or those of reading it.
func readMetadata(r io.Reader) (metadata, error) {
	var m metadata
	data, err := io.ReadAll(io.LimitReader(r, metaMaxSize+1))
	if err == nil && len(data) > metaMaxSize {
		err = errors.New("too large")
	}
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	if err != nil {
		return metadata{}, badMetadata(err)
	}
	return m, m.check()
}

// badMetadata makes err one of meta.json, unless it speaks of something else
// than the file.
func badMetadata(err error) error {
	if lasting(err) {
		return fmt.Errorf("%w: %w", ErrBadMetadata, err)
	}
	return fmt.Errorf("read meta.json: %w", err)
}

func (m metadata) check() error {
	if m.Version > formatVersion {
		return fmt.Errorf("%w: its format is version %d, known is %d", ErrUnsupported, m.Version, formatVersion)
	}
	if len(m.Features.Incompatible) > 0 {
		return fmt.Errorf("%w: unknown incompatible features: %s", ErrUnsupported, strings.Join(m.Features.Incompatible, ", "))
	}
	if m.Version < 1 {
		return fmt.Errorf("%w: version %d", ErrBadMetadata, m.Version)
	}
	if _, err := m.algorithm(); err != nil {
		return fmt.Errorf("%w: %w", ErrBadMetadata, err)
	}
	if v := m.erofsVersion(); v < 0 || v > 2 {
		return fmt.Errorf("%w: unknown version %d of images", ErrUnsupported, v)
	}
	return nil
}

// algorithm accepts the long name only, which says the block size.
func (m metadata) algorithm() (verity.Algorithm, error) {
	alg, err := verity.ParseAlgorithm(m.Algorithm)
	if err == nil && alg.ID() != m.Algorithm {
		err = fmt.Errorf("unknown algorithm %q", m.Algorithm)
	}
	return alg, err
}

// unknownReadOnly returns the features that forbid writing.
func (m metadata) unknownReadOnly() []string {
	return slices.DeleteFunc(slices.Clone(m.Features.ReadOnlyCompatible), func(f string) bool { return f == featureV1 })
}

// erofsVersion is the version of images. Repositories that are older than
// erofs_formats tell it by a feature, and the oldest by its absence.
func (m metadata) erofsVersion() int {
	switch {
	case m.ErofsFormats != nil && (m.ErofsFormats.Default != 2 || len(m.ErofsFormats.Extra) > 0):
		return m.ErofsFormats.Default
	case slices.Contains(m.Features.ReadOnlyCompatible, featureV1):
		return 1
	}
	return 2
}
