package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/klauspost/compress/gzip"
)

// part is something that every cold pull must do, measured alone: one thread,
// all data in memory, nothing around it.
type part struct {
	Name  string
	PerGB time.Duration // CPU time per 10^9 bytes of tar
}

// floorTar is how much tar the parts are measured on.
const floorTar = 400e6

// floor measures the parts of a cold pull, in a process of its own. Together they
// are the least that a pull of this image can cost with these libraries.
func (b *bench) floor(ctx context.Context, r *results) error {
	s, err := b.scene("floor", b.suite.os)
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, exe, "floor", b.meter.address, filepath.Join(b.images(), s.image), s.dir).Output()
	if err != nil {
		return fmt.Errorf("the parts alone: %w", err)
	}
	return json.Unmarshal(out, &r.Floor)
}

// floorParts takes layers of the layout, fetches them from the server, and
// writes their files below dir; it prints the parts as JSON.
func floorParts(server, layout, dir string, w io.Writer) error {
	paths, err := layerPaths(layout, "v1")
	if err != nil {
		return err
	}
	f := floorMeter{dir: dir, cpu: map[string]time.Duration{}}
	for i, path := range paths {
		if f.tar > floorTar {
			break
		}
		url := fmt.Sprintf("http://%s/v2/%s/blobs/sha256:%s", server, filepath.Base(layout), filepath.Base(path))
		if err := f.layer(url, i); err != nil {
			return err
		}
	}
	var parts []part
	for _, name := range floorNames {
		parts = append(parts, part{name, time.Duration(float64(f.cpu[name]) / float64(f.tar) * 1e9)})
	}
	return json.NewEncoder(w).Encode(parts)
}

// The parts, in the order in which data passes through them.
const (
	partFetch   = "socket to memory"
	partBlobSum = "SHA-256 of the blob"
	partInflate = "inflate (klauspost/compress)"
	partDiffID  = "SHA-256 of the tar"
	partTar     = "tar headers"
	partVerity  = "SHA-512 of 4 KiB blocks"
	partFiles   = "create and write files"
)

var floorNames = []string{partFetch, partBlobSum, partInflate, partDiffID, partTar, partVerity, partFiles}

// floorMeter adds up the CPU time of each part.
type floorMeter struct {
	dir string
	cpu map[string]time.Duration
	tar int64
}

// time charges the CPU time of fn to a part.
func (f *floorMeter) time(part string, fn func() error) error {
	var before, after syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		return err
	}
	err := fn()
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		return err
	}
	f.cpu[part] += cpuTime(&after) - cpuTime(&before)
	return err
}

// layer takes one layer through all parts.
func (f *floorMeter) layer(url string, number int) error {
	blob, err := f.fetch(url)
	if err != nil {
		return err
	}
	if err := f.time(partBlobSum, func() error { sha256.Sum256(blob); return nil }); err != nil {
		return err
	}
	plain, err := f.inflate(blob)
	if err != nil {
		return err
	}
	if err := f.time(partDiffID, func() error { sha256.Sum256(plain); return nil }); err != nil {
		return err
	}
	f.tar += int64(len(plain))
	var contents [][]byte
	if err := f.time(partTar, func() (err error) { contents, err = fileContents(plain); return err }); err != nil {
		return err
	}
	if err := f.time(partVerity, func() error { hashBlocks(contents); return nil }); err != nil {
		return err
	}
	dir := filepath.Join(f.dir, strconv.Itoa(number))
	return f.time(partFiles, func() error { return writeFiles(dir, contents) })
}

// fetch reads a blob from the server, once to take the memory and once to
// measure.
func (f *floorMeter) fetch(url string) ([]byte, error) {
	var b bytes.Buffer
	get := func() error {
		b.Reset()
		resp, err := http.Get(url)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = b.ReadFrom(resp.Body)
		return err
	}
	if err := get(); err != nil {
		return nil, err
	}
	return b.Bytes(), f.time(partFetch, get)
}

// inflate unpacks a blob, once to learn the size and once to measure.
func (f *floorMeter) inflate(blob []byte) ([]byte, error) {
	var b bytes.Buffer
	unpack := func() error {
		b.Reset()
		z, err := gzip.NewReader(bytes.NewReader(blob))
		if err != nil {
			return err
		}
		_, err = b.ReadFrom(z)
		return err
	}
	if err := unpack(); err != nil {
		return nil, err
	}
	return b.Bytes(), f.time(partInflate, unpack)
}

// fileContents returns the content of each file of a tar that becomes an object.
func fileContents(plain []byte) ([][]byte, error) {
	var contents [][]byte
	r := bytes.NewReader(plain)
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return contents, nil
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag == tar.TypeReg && h.Size > 64 {
			at := len(plain) - r.Len()
			contents = append(contents, plain[at:at+int(h.Size)])
		}
	}
}

// hashBlocks hashes each block as fs-verity does; the levels above add little.
func hashBlocks(contents [][]byte) {
	for _, c := range contents {
		for ; len(c) >= 4096; c = c[4096:] {
			sha512.Sum512(c[:4096])
		}
		if len(c) > 0 {
			var last [4096]byte
			copy(last[:], c)
			sha512.Sum512(last[:])
		}
	}
}

// writeFiles creates a file for each content, in 256 directories.
func writeFiles(dir string, contents [][]byte) error {
	for i := range 256 {
		if err := os.MkdirAll(filepath.Join(dir, fmt.Sprintf("%02x", i)), 0o755); err != nil {
			return err
		}
	}
	for i, c := range contents {
		path := filepath.Join(dir, fmt.Sprintf("%02x", i%256), strconv.Itoa(i))
		fd, err := syscall.Open(path, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_EXCL|syscall.O_CLOEXEC, 0o644)
		if err != nil {
			return err
		}
		for len(c) > 0 {
			n, err := syscall.Write(fd, c)
			if err != nil {
				return err
			}
			c = c[n:]
		}
		if err := syscall.Close(fd); err != nil {
			return err
		}
	}
	return nil
}
