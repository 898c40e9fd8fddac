package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// bucket is a kind of work and its share of the CPU time of a cold pull.
type bucket struct {
	Name  string
	Share float64 // of 1
}

// bucketPatterns sort functions, by the first pattern that matches.
var bucketPatterns = []struct {
	name    string
	pattern *regexp.Regexp
}{
	{"inflate", regexp.MustCompile(`compress/(flate|gzip|zstd)|hash/crc32|bufio`)},
	{"fs-verity digests (SHA-512)", regexp.MustCompile(`sha512|composefs/verity`)},
	{"blob and diff_id digests (SHA-256)", regexp.MustCompile(`sha256`)},
	{"kernel: files, sockets, memory", regexp.MustCompile(`[sS]yscall|runtime\.(madvise|futex|epoll|sysUsed|sysMap|usleep)|vdso`)},
	{"EROFS image", regexp.MustCompile(`composefs/erofs`)},
	{"tar, layers and merge", regexp.MustCompile(`archive/tar|bootc/layers|composefs/tree`)},
	{"repository and streams", regexp.MustCompile(`composefs/(repo|oci)`)},
	{"garbage collection and allocation", regexp.MustCompile(`^runtime\.(gc|scan|mark|malloc|sweep|bgs|bgm|grey|heap|find|mheap|mcache|mcentral|span|wb|typePointers|\(\*(gc|mheap|mspan|mcache|mcentral|sweep|page|limiter))`)},
	{"copying memory", regexp.MustCompile(`^runtime\.(mem|typedmem|slicecopy)`)},
}

// profile pulls once more, to say where the time goes.
func (b *bench) profile(ctx context.Context, r *results) error {
	if b.bootc == "" {
		return nil
	}
	path := filepath.Join(b.dir, "cold.pprof")
	if _, err := b.coldPull(ctx, "profile", b.suite.os, path); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-nodecount=100000", "-nodefraction=0", "-unit=ms", b.bootc, path).Output()
	if err != nil {
		return fmt.Errorf("go tool pprof: %w", err)
	}
	r.Profile = buckets(string(out))
	b.say("profiled a cold pull: go tool pprof %s %s", b.bootc, path)
	return nil
}

// buckets sums the flat times of a "pprof -top" listing.
func buckets(listing string) []bucket {
	sums, total := map[string]float64{}, 0.0
	for line := range strings.Lines(listing) {
		f := strings.Fields(line) // flat flat% sum% cum cum% function
		if len(f) < 6 || !strings.HasSuffix(f[1], "%") {
			continue
		}
		ms, err := strconv.ParseFloat(strings.TrimSuffix(f[0], "ms"), 64)
		if err != nil {
			continue
		}
		total += ms
		sums[bucketOf(strings.Join(f[5:], " "))] += ms
	}
	var all []bucket
	for _, p := range append(bucketPatterns, struct {
		name    string
		pattern *regexp.Regexp
	}{name: "all else"}) {
		if total > 0 && sums[p.name] > 0 {
			all = append(all, bucket{p.name, sums[p.name] / total})
		}
	}
	return all
}

func bucketOf(function string) string {
	for _, p := range bucketPatterns {
		if p.pattern.MatchString(function) {
			return p.name
		}
	}
	return "all else"
}
