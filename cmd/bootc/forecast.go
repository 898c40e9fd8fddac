package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/deploy"
	"github.com/bootc-go/bootc/pkgdb"
)

// withScratch gives fn a function that makes an empty directory, for the time of fn:
// below $TMPDIR, else in /var/tmp, which has the room that /tmp may not have.
func (e *env) withScratch(fn func(scratch func() (string, error)) error) error {
	parent := e.getenv("TMPDIR")
	if parent == "" {
		parent = filepath.Join(e.root, "var/tmp")
	}
	var dir string
	defer func() {
		if dir != "" {
			os.RemoveAll(dir) //nolint:errcheck // systemd-tmpfiles removes what stays
		}
	}()
	return fn(func() (_ string, err error) {
		if dir, err = os.MkdirTemp(parent, "bootc-scratch-"); err != nil {
			return "", fmt.Errorf("scratch directory: %w", err)
		}
		return dir, nil
	})
}

// writeForecast prints what an update will bring about, below what it is.
func writeForecast(w io.Writer, f *deploy.Forecast) {
	if !f.Exact {
		fmt.Fprintf(w, "  Disk: %s of %s free are wanted to begin with\n", bytesText(f.Disk.Required), bytesText(f.Disk.Available))
		fmt.Fprintln(w, "  Packages, kernel, /etc, bound images, exact room: in the layers that are not here, which --full reads")
		return
	}
	writeRefusals(w, f)
	if f.Change == deploy.ForecastSame {
		fmt.Fprintln(w, "  Content: that of the deployment that runs")
		return
	}
	writeBound(w, f)
	writeDisk(w, f)
	writeSystemDiff(w, f.Diff, "  ")
	writeEtc(w, f)
}

// writeRefusals prints why the update would end with an error.
func writeRefusals(w io.Writer, f *deploy.Forecast) {
	for _, r := range f.Refusals {
		fmt.Fprintf(w, "  Refused: %s\n", printable(strings.NewReplacer(":\n", ": ", "\n", "; ").Replace(r)))
	}
}

// writeBound prints what is fetched of the images that the image is bound to.
func writeBound(w io.Writer, f *deploy.Forecast) {
	if f.BoundImages == nil {
		if len(f.Refusals) == 0 {
			fmt.Fprintln(w, "  Bound images: not counted, for it is not known what they take")
		}
		return
	}
	for _, im := range f.BoundImages.Images {
		text := "is here"
		if !im.Here {
			text = bytesText(im.Bytes)
		}
		fmt.Fprintf(w, "  Bound image: %s, %s\n", printable(im.Name), text)
	}
}

func writeDisk(w io.Writer, f *deploy.Forecast) {
	if f.Change == deploy.ForecastStaged {
		return
	}
	d := f.Disk
	bound := ""
	if d.BoundImages > 0 {
		bound = fmt.Sprintf(", at least %s for bound images", bytesText(d.BoundImages))
	}
	fmt.Fprintf(w, "  Disk: %s in %d objects, %s in /etc%s, of %s free\n",
		bytesText(d.Repository.Allocated), d.Repository.Files, bytesText(d.Etc.Allocated), bound, bytesText(d.Available))
	if d.Kernel.Files > 0 {
		fmt.Fprintf(w, "  Boot partition: %s\n", bytesText(d.Kernel.Bytes))
	}
}

// writeSystemDiff prints what is another between two systems.
func writeSystemDiff(w io.Writer, d *deploy.Diff, indent string) {
	for _, text := range d.Warnings {
		fmt.Fprintf(w, "%sPackages: unknown, %s\n", indent, printable(text))
	}
	if d.Packages != nil {
		writePackages(w, d.Packages, indent)
	}
	fmt.Fprintf(w, "%sKernel: %s\n", indent, kernelText(d.Kernel))
	if !d.KernelArguments.Empty() {
		fmt.Fprintf(w, "%sKernel arguments:%s%s\n", indent, signed(" +", d.KernelArguments.Added), signed(" -", d.KernelArguments.Removed))
	}
	if !d.BoundImages.Empty() {
		fmt.Fprintf(w, "%sBound images:%s%s\n", indent, signed(" +", d.BoundImages.Added), signed(" -", d.BoundImages.Removed))
	}
	fmt.Fprintf(w, "%sFiles: %d added, %d removed, %d changed; %s new\n", indent, d.Files.Added, d.Files.Removed, d.Files.Changed, bytesText(d.Files.BytesAdded))
	if s := d.SoftReboot; s != nil {
		text := "suffices"
		if !s.Possible {
			text = "no, " + s.Obstacle
		}
		fmt.Fprintf(w, "%sSoft reboot: %s\n", indent, text)
	}
}

func signed(sign string, words []string) string {
	var b strings.Builder
	for _, word := range words {
		b.WriteString(sign + printable(word))
	}
	return b.String()
}

func writePackages(w io.Writer, d *pkgdb.Diff, indent string) {
	if d.Empty() {
		fmt.Fprintf(w, "%sPackages: the same\n", indent)
		return
	}
	fmt.Fprintf(w, "%sPackages: %d added, %d removed, %d changed\n", indent, len(d.Added), len(d.Removed), len(d.Changed))
	for _, p := range d.Added {
		fmt.Fprintf(w, "%s  + %s %s\n", indent, printable(p.Name), printable(p.Version))
	}
	for _, p := range d.Removed {
		fmt.Fprintf(w, "%s  - %s %s\n", indent, printable(p.Name), printable(p.Version))
	}
	for _, c := range d.Changed {
		note := ""
		if c.Direction < 0 {
			note = " (older)"
		}
		fmt.Fprintf(w, "%s  ~ %s%s\n", indent, printable(c.String()), note)
	}
}

func kernelText(d deploy.KernelDiff) string {
	version := func(k *deploy.Kernel) string {
		switch {
		case k == nil:
			return "none"
		case k.Version == "":
			return "unified kernel image"
		}
		return printable(k.Version)
	}
	from, to := version(d.From), version(d.To)
	switch {
	case from != to:
		return from + " -> " + to
	case d.Changed:
		return to + ", another build"
	case d.InitramfsChanged:
		return to + ", another initramfs"
	}
	return to + ", the same"
}

// writeEtc prints what becomes of the host's /etc.
func writeEtc(w io.Writer, f *deploy.Forecast) {
	if f.Etc == nil {
		return
	}
	for _, c := range f.Etc.Local.Unmergable {
		fmt.Fprintf(w, "  /etc conflict: %s\n", printable(c.String()))
	}
	local := len(f.Etc.Local.Added) + len(f.Etc.Local.Modified) + len(f.Etc.Local.Removed)
	if e := f.Etc.Effect; e != nil {
		fmt.Fprintf(w, "  /etc: %d added, %d removed, %d changed; local changes kept: %d\n", len(e.Added), len(e.Removed), len(e.Modified), local)
		for sign, changes := range etcChanges(e) {
			for _, c := range changes {
				fmt.Fprintf(w, "    %s %s\n", []string{"+", "-", "~"}[sign], printable(c.Path))
			}
		}
	}
	for _, n := range f.Etc.Notes {
		fmt.Fprintf(w, "  /etc/%s: %s\n", printable(n.File), printable(n.Text))
	}
}

// writeChanges prints a line for each path that differs.
func writeChanges(w io.Writer, changes []tree.Change) {
	for _, c := range changes {
		fmt.Fprintln(w, c)
	}
}
