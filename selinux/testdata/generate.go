//go:build ignore

// Command generate writes the labels that composefs-rs gives to the files of
// each testdata/labels/*.txtar into that file. It needs root and cfsctl.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/sys/unix"
)

func main() {
	log.SetFlags(0)
	names, err := filepath.Glob("testdata/labels/*.txtar")
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range names {
		if err := generate(name); err != nil {
			log.Fatalf("%s: %v", name, err)
		}
	}
}

func generate(name string) error {
	archive, err := txtar.ParseFile(name)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "labels")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	kept := archive.Files[:0]
	for _, f := range archive.Files {
		switch {
		case f.Name == "labels" || f.Name == "refused":
			continue
		case f.Name == "files":
			err = makeFiles(dir, string(f.Data))
		default:
			err = makePolicyFile(dir, f)
		}
		if err != nil {
			return err
		}
		kept = append(kept, f)
	}
	archive.Files = append(kept, run(dir))
	return os.WriteFile(name, txtar.Format(archive), 0o644)
}

// makePolicyFile writes config to /etc/selinux and all else to the files of a
// policy called test.
func makePolicyFile(dir string, f txtar.File) error {
	to := filepath.Join(dir, "etc/selinux/test/contexts/files", f.Name)
	if f.Name == "config" {
		to = filepath.Join(dir, "etc/selinux/config")
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, f.Data, 0o644)
}

func makeFiles(dir, list string) error {
	for _, d := range []string{"usr", "boot", "sysroot"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	for line := range strings.Lines(list) {
		kind, quoted, _ := strings.Cut(strings.TrimSpace(line), " ")
		path, err := strconv.Unquote(quoted)
		if err != nil {
			return err
		}
		to := dir + path
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := makeFile(kind, to); err != nil {
			return fmt.Errorf("%s: %w", quoted, err)
		}
	}
	return nil
}

func makeFile(kind, to string) error {
	switch kind {
	case "d":
		return os.MkdirAll(to, 0o755)
	case "l":
		return os.Symlink("x", to)
	case "b":
		return unix.Mknod(to, unix.S_IFBLK|0o644, int(unix.Mkdev(7, 200)))
	case "c":
		return unix.Mknod(to, unix.S_IFCHR|0o644, int(unix.Mkdev(1, 3)))
	case "p":
		return unix.Mkfifo(to, 0o644)
	case "s":
		return unix.Mknod(to, unix.S_IFSOCK|0o644, 0)
	}
	return os.WriteFile(to, nil, 0o644)
}

func run(dir string) txtar.File {
	cmd := exec.Command("cfsctl", "--no-repo", "--hash", "sha256", "create-dumpfile", "--bootable", dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	dump, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		log.Fatal(err)
	}
	if err != nil {
		return txtar.File{Name: "refused", Data: bytes.ReplaceAll(stderr.Bytes(), []byte(dir), nil)}
	}
	var out bytes.Buffer
	for line := range strings.Lines(string(dump)) {
		writeLabel(&out, strings.Fields(line))
	}
	return txtar.File{Name: "labels", Data: out.Bytes()}
}

// writeLabel writes the label of one line of a dump.
func writeLabel(out *bytes.Buffer, fields []string) {
	path, err := strconv.Unquote(`"` + strings.ReplaceAll(fields[0], `"`, `\"`) + `"`)
	if err != nil {
		log.Fatal(err)
	}
	if strings.HasPrefix(path, "/etc/selinux") {
		return
	}
	mode, err := strconv.ParseUint(strings.TrimPrefix(fields[2], "@"), 8, 32)
	if err != nil {
		log.Fatal(err)
	}
	label := "-"
	for _, x := range fields[11:] {
		if v, ok := strings.CutPrefix(x, "security.selinux="); ok {
			label = v
		}
	}
	kinds := map[uint64]string{unix.S_IFREG: "-", unix.S_IFDIR: "d", unix.S_IFLNK: "l", unix.S_IFBLK: "b", unix.S_IFCHR: "c", unix.S_IFIFO: "p", unix.S_IFSOCK: "s"}
	fmt.Fprintf(out, "%s %q %s\n", kinds[mode&unix.S_IFMT], path, label)
}
