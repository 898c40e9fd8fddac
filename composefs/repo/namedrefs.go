package repo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bootc-go/bootc/composefs/verity"
)

// Bounds of the section of named references, decompressed. An image refers to
// each of its layers, which are hundreds at most, by a name of about 80 bytes.
const (
	maxNamedRefs  = 8 << 20 // bytes
	maxNamedCount = 1 << 16
)

// NamedRef is a reference from a splitstream to another one, or to an image.
type NamedRef struct {
	Name   string
	Digest verity.Digest
}

func compareName(n NamedRef, name string) int { return strings.Compare(n.Name, name) }

// readNamed decodes the section of named references: zstd, and in it records
// "index:name" that each end in a NUL.
func (s *StreamReader) readNamed(streams []verity.Digest) ([]NamedRef, error) {
	text, err := s.decompressNamed()
	if err != nil {
		return nil, err
	}
	var named []NamedRef
	for len(text) > 0 {
		record, rest, ok := bytes.Cut(text, []byte{0})
		if !ok {
			return nil, errors.New("the last one has no end")
		}
		ref, err := parseNamed(string(record), streams)
		if err != nil {
			return nil, err
		}
		if len(named) == maxNamedCount {
			return nil, fmt.Errorf("more than %d", maxNamedCount)
		}
		named, text = append(named, ref), rest
	}
	slices.SortFunc(named, func(a, b NamedRef) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(named); i++ {
		if named[i].Name == named[i-1].Name {
			return nil, fmt.Errorf("two of the name %.100q", named[i].Name)
		}
	}
	return named, nil
}

func (s *StreamReader) decompressNamed() ([]byte, error) {
	sec := s.layout.namedRefs
	if sec.len() == 0 {
		return nil, nil
	}
	dec, err := s.r.decoder(io.NewSectionReader(s.src, int64(sec.start), int64(sec.len())))
	if err != nil {
		return nil, err
	}
	defer s.r.giveDecoder(dec)
	text, err := io.ReadAll(io.LimitReader(dec, maxNamedRefs+1))
	if err == nil && len(text) > maxNamedRefs {
		err = fmt.Errorf("more than %d bytes", maxNamedRefs)
	}
	return text, err
}

func parseNamed(record string, streams []verity.Digest) (NamedRef, error) {
	index, name, ok := strings.Cut(record, ":")
	i, err := strconv.ParseUint(index, 10, 63)
	if !ok || err != nil || !utf8.ValidString(name) {
		return NamedRef{}, fmt.Errorf("unreadable record %.100q", record)
	}
	if i >= uint64(len(streams)) {
		return NamedRef{}, fmt.Errorf("%.100q has the index %d of %d", name, i, len(streams))
	}
	return NamedRef{name, streams[i]}, nil
}
