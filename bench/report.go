package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const plotName = "performance-scaling.svg"

// report writes results.json, and the page and the plot, which in a full run go
// to the documentation.
func (b *bench) report(r *results) error {
	docs := b.docs
	if b.suite.mode != "full" || b.bootc == "" {
		docs = b.dir
	}
	if err := os.MkdirAll(docs, 0o755); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(b.dir, "results.json"), r); err != nil {
		return err
	}
	if len(r.ByFiles) > 0 {
		if err := os.WriteFile(filepath.Join(docs, plotName), []byte(r.plot()), 0o644); err != nil {
			return err
		}
	}
	path := filepath.Join(docs, "performance.md")
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(path, []byte(r.page()+hosts(string(old))), 0o644); err != nil {
		return err
	}
	b.say("the report is %s", path)
	return nil
}

// hostsHeading begins the end of the page, which the bench does not make: it is
// measured in virtual machines, by the tests in e2e.
const hostsHeading = "\n## Hosts\n"

// hosts is that end of an older page.
func hosts(page string) string {
	_, after, found := strings.Cut(page, hostsHeading)
	if !found {
		return ""
	}
	return hostsHeading + after
}

// page is docs/reference/performance.md, short of its end.
func (r *results) page() string {
	var p pageWriter
	p.line("# Performance")
	p.line("")
	p.line("Made by `make bench` (%s mode) on %s, but for the last section; do not edit. All ratios come from this one run, in which the contenders", r.Mode, r.Began.Format("2 January 2006"))
	p.line("took turns on one machine; absolute times are that machine's.")
	p.line("")
	r.machineTable(&p)
	r.verdicts(&p)
	r.phaseTables(&p)
	r.writerTable(&p)
	r.scalingSection(&p)
	r.profileTable(&p)
	p.write(methodText)
	return p.String()
}

const methodText = `
## How it is measured

- The image is generated from a seed: file sizes as in an operating system image (69 % below 4 KiB), contents that compress
  like text, machine code, tables and compressed data, links, file capabilities, and a share of duplicates. The update has one
  layer of the same paths in which two files in five have new contents.
- A server process on the loopback interface is registry and ostree repository at once. Its CPU time is not charged to the
  contenders, but it runs on the same cores: "server CPU s" is what it took of them.
- Wall time is from start to exit of the commands. CPU time is user and system time of all their processes. Peak memory is the
  resident set of the largest process. Disk is what the contender's directory grew by, in blocks.
- Each contender works in a fresh directory. Nothing is deleted before the last measurement, for ext4 creates files ten
  times slower for about a minute after many were deleted. Dirty pages are written before each measurement, and memory is touched
  once before the first.
- bootc makes one mountable image, the boot image, as its upgrade does, and not the plain image as well.
- Of several rounds the one with the least wall time is given, with all its figures.
- podman and umoci do not sync what they write; bootc and ostree do, and that is part of their time.
- ostree pulls from an archive repository over HTTP, without static deltas.
`

func (r *results) machineTable(p *pageWriter) {
	m := r.Machine
	p.table([]string{"", ""}, [][]string{
		{"machine", fmt.Sprintf("%s, %d cores, %d GiB of memory free, %s", m.CPU, m.Cores, m.MemoryGB, m.FileSystem)},
		{"system", fmt.Sprintf("%s, kernel %s, load average %s before and %s after", m.System, m.Kernel, m.LoadBefore, m.LoadAfter)},
		{"bootc", fmt.Sprintf("commit %s, %s", m.Commit, m.Go)},
		{"peers", strings.Join(m.Tools, ", ")},
		{"image", fmt.Sprintf("%s files, %s entries, %d layers, %s of tar, %s of gzip", thousands(r.Image.Params.Files), thousands(r.Image.Entries), r.Image.Params.Layers, megabytes(r.Image.TarSize), megabytes(r.Image.GzipSize))},
		{"update", fmt.Sprintf("1 layer of %s, %s files with new contents (%.1f %%)", megabytes(r.Image.Changed.Size), thousands(r.Image.NewFiles), 100*float64(r.Image.NewFiles)/float64(r.Image.Params.Files))},
		{"rounds", fmt.Sprint(r.Rounds)},
	})
}

// titles of the phases, in order.
var phaseTitles = []struct {
	phase phase
	title string
}{
	{cold, "Cold: nothing is there"},
	{update, "Update: one layer is new"},
	{again, "Again: all of it is there"},
}

func (r *results) phaseTables(p *pageWriter) {
	for _, t := range phaseTitles {
		p.line("\n## %s\n", t.title)
		p.table(append([]string{"contender"}, sampleHeader...), r.phaseRows(r.phase(t.phase)))
	}
}

// phaseRows has a line per contender, and one per step where there are several.
func (r *results) phaseRows(o outcomes) [][]string {
	var rows [][]string
	for _, name := range o.names() {
		total, _ := o.total(name)
		rows = append(rows, append([]string{"**" + name + "**"}, total.cells()...))
		steps := o.steps(name)
		if len(steps) < 2 {
			continue
		}
		for _, s := range steps {
			best, _ := outcomes{s}.total(name)
			rows = append(rows, append([]string{"- " + s.Step}, best.cells()...))
		}
	}
	return rows
}

func (r *results) writerTable(p *pageWriter) {
	p.line("\n## Writing an image: %s inodes from a dump\n", thousands(r.Inodes))
	var rows [][]string
	for _, name := range r.Writers.names() {
		s, _ := r.Writers.total(name)
		rows = append(rows, []string{"`" + name + "`", seconds(s.Wall), seconds(s.CPU), megabytes(s.MaxRSS)})
	}
	p.table([]string{"", "wall s", "CPU s", "peak memory"}, rows)
	if len(rows) == 2 {
		p.line("\nThe images are equal, byte for byte.")
	}
}

func (r *results) scalingSection(p *pageWriter) {
	if len(r.ByFiles) == 0 {
		return
	}
	p.line("\n## Growth\n")
	p.line("Cold pulls by bootc of images whose files are a %dth of the size.\n", scalingShrink)
	p.line("![CPU and wall time against files and layers](%s)\n", plotName)
	var rows [][]string
	for _, points := range [][]point{r.ByFiles, r.ByLayers} {
		for _, pt := range points {
			s := pt.Sample
			rows = append(rows, []string{
				thousands(pt.Files), fmt.Sprint(pt.Layers), seconds(s.Wall), seconds(s.CPU),
				fmt.Sprintf("%.0f", s.CPU.Seconds()*1e6/float64(pt.Files)), megabytes(s.MaxRSS),
			})
		}
	}
	p.table([]string{"files", "layers", "wall s", "CPU s", "CPU µs per file", "peak memory"}, rows)
}

// plot is the figure of the growth section.
func (r *results) plot() string {
	lines := func(points []point, x func(point) float64) []series {
		all := []series{{name: "CPU", colour: "#b3402a"}, {name: "wall", colour: "#2a6cb3"}}
		for _, pt := range points {
			for i, y := range []time.Duration{pt.Sample.CPU, pt.Sample.Wall} {
				all[i].xs, all[i].ys = append(all[i].xs, x(pt)), append(all[i].ys, y.Seconds())
			}
		}
		return all
	}
	return svg([]chart{
		{fmt.Sprintf("Cold pull, %d layers", r.ByFiles[0].Layers), "files", "seconds", lines(r.ByFiles, func(p point) float64 { return float64(p.Files) })},
		{fmt.Sprintf("Cold pull, %s files", thousands(r.ByLayers[0].Files)), "layers", "seconds", lines(r.ByLayers, func(p point) float64 { return float64(p.Layers) })},
	})
}

func (r *results) profileTable(p *pageWriter) {
	us, ok := r.phase(cold).total("bootc")
	if !ok || len(r.Profile) == 0 {
		return
	}
	p.line("\n## Where the time of a cold pull goes\n")
	p.line("%.2f cores were busy with it on average, and %.2f with the server.\n", us.CPU.Seconds()/us.Wall.Seconds(), us.Served.CPU.Seconds()/us.Wall.Seconds())
	var rows [][]string
	for _, b := range r.Profile {
		rows = append(rows, []string{b.Name, fmt.Sprintf("%.0f %%", 100*b.Share)})
	}
	p.table([]string{"work", "share of CPU time"}, rows)
	r.floorTable(p, us)
}

// floorTable compares a cold pull with the sum of its parts.
func (r *results) floorTable(p *pageWriter, us sample) {
	p.line("\n## How near that is to the least possible\n")
	p.line("Each part of a cold pull alone: one thread, data in memory, nothing around it, with the libraries that bootc uses.\n")
	var rows [][]string
	var sum time.Duration
	for _, f := range r.Floor {
		rows = append(rows, []string{f.Name, seconds(f.PerGB)})
		sum += f.PerGB
	}
	perGB := time.Duration(float64(us.CPU) / float64(r.Image.TarSize) * 1e9)
	rows = append(rows, []string{"sum", seconds(sum)}, []string{"**bootc, all of the pull**", seconds(perGB)})
	p.table([]string{"part", "CPU s per GB of tar"}, rows)
	p.line("\nThe pull costs %.2f times the sum of its parts; with %d cores to share it could take %.1f s, and took %.1f s.",
		perGB.Seconds()/sum.Seconds(), r.Machine.Cores, sum.Seconds()*float64(r.Image.TarSize)/1e9/float64(r.Machine.Cores), us.Wall.Seconds())
}
