package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestOutcomes(t *testing.T) {
	s := func(wall, cpu int, rss int64) sample {
		return sample{Wall: time.Duration(wall), CPU: time.Duration(cpu), MaxRSS: rss}
	}
	var o outcomes
	o.add("a", "fetch", 0, s(10, 1, 5))
	o.add("a", "unpack", 0, s(20, 2, 9))
	o.add("a", "fetch", 1, s(5, 8, 6))
	o.add("a", "unpack", 1, s(6, 9, 7))
	o.add("b", "pull", 0, s(1, 1, 1))
	got, ok := o.total("a")
	if want := s(11, 17, 7); got != want || !ok {
		t.Errorf("total of a: %+v, want that of the second round, %+v", got, want)
	}
	if _, ok := o.total("c"); ok {
		t.Error("there is a total of a contender that took no part")
	}
	if d := cmp.Diff([]string{"a", "b"}, o.names()); d != "" {
		t.Error(d)
	}
}

func TestFitLine(t *testing.T) {
	f := fitLine([]float64{1, 2, 3, 4}, []float64{5, 7, 9, 11})
	if math.Abs(f.intercept-3) > 1e-9 || math.Abs(f.slope-2) > 1e-9 || math.Abs(f.r2-1) > 1e-9 {
		t.Errorf("a straight line fits as %+v", f)
	}
	if f := fitLine([]float64{1, 2, 3, 4}, []float64{1, 4, 9, 16}); f.r2 > 0.98 {
		t.Errorf("a parabola passes as a line: %+v", f)
	}
}

func TestPlotIsXML(t *testing.T) {
	r := results{}
	for _, n := range []int{100, 1000, 40_000} {
		pt := point{Files: n, Layers: n / 50, Sample: sample{CPU: time.Duration(n) * time.Microsecond, Wall: time.Duration(n)}}
		r.ByFiles, r.ByLayers = append(r.ByFiles, pt), append(r.ByLayers, pt)
	}
	plot := r.plot()
	d := xml.NewDecoder(strings.NewReader(plot))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, plot)
		}
	}
	if n := strings.Count(plot, "<circle"); n != 12 {
		t.Errorf("%d points are drawn, want 12", n)
	}
	for _, tick := range []string{">40k<", ">800<"} {
		if !strings.Contains(plot, tick) {
			t.Errorf("the tick %s is missing", tick)
		}
	}
}

// TestBuckets sorts the lines of a listing as pprof prints it.
func TestBuckets(t *testing.T) {
	const listing = `File: bootc
Showing nodes accounting for 1000ms, 100% of 1000ms total
      flat  flat%   sum%        cum   cum%
     400ms 40.00% 40.00%      500ms 50.00%  github.com/klauspost/compress/flate.(*decompressor).huffmanBlock
     300ms 30.00% 70.00%      300ms 30.00%  internal/runtime/syscall/linux.Syscall6
     200ms 20.00% 90.00%      200ms 20.00%  crypto/internal/fips140/sha512.blockAVX2
     100ms 10.00%   100%      100ms 10.00%  main.main (inline)
`
	want := []bucket{
		{"inflate", 0.4},
		{"fs-verity digests (SHA-512)", 0.2},
		{"kernel: files, sockets, memory", 0.3},
		{"all else", 0.1},
	}
	if d := cmp.Diff(want, buckets(listing)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestVerdicts(t *testing.T) {
	sec := func(wall, cpu float64) sample {
		return sample{Wall: time.Duration(wall * 1e9), CPU: time.Duration(cpu * 1e9), MaxRSS: 100e6}
	}
	r := results{Phases: map[phase][]outcome{}}
	r.add(cold, "podman", "pull", 0, sec(30, 40))
	r.add(cold, "ostree", "pull", 0, sec(32, 20))
	r.add(cold, "bootc", "pull", 0, sec(12, 9))
	var got []bool
	for _, v := range r.coldVerdicts() {
		got = append(got, v.ok)
	}
	if d := cmp.Diff([]bool{true, false, true}, got); d != "" {
		t.Errorf("wall 12 of 30, CPU 9 of 20, 100 MB (-want +got):\n%s", d)
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		if got := thousands(n); got != want {
			t.Errorf("%d prints as %s, want %s", n, got, want)
		}
	}
}

// TestHosts: a new page keeps what an older one says of hosts, and nothing else of it.
func TestHosts(t *testing.T) {
	const end = "\n## Hosts\n\nBoots in no time.\n"
	for old, want := range map[string]string{"": "", "# Performance\n": "", "# Performance\n" + end: end} {
		if got := hosts(old); got != want {
			t.Errorf("hosts(%q) = %q, want %q", old, got, want)
		}
	}
}
