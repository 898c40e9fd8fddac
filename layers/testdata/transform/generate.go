//go:build ignore

// Command generate makes directories, has composefs-rs transform them, and
// writes what came out into *.txtar beside itself. It needs root and cfsctl.
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/sys/unix"
)

const outDir = "testdata/transform"

func main() {
	log.SetFlags(0)
	syscall.Umask(0)
	work, err := os.MkdirTemp("", "transform")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(work)
	for _, alg := range []string{"sha256", "sha512"} {
		for _, version := range []string{"0", "1"} {
			run(nil, "init", "--insecure", "--erofs-version", version, "--algorithm", "fsverity-"+alg+"-12", filepath.Join(work, alg+"-v"+version))
		}
	}
	all := cases()
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		dir := filepath.Join(work, "tree")
		b := &builder{dir: dir}
		b.mkdir("", 0o755)
		all[name].make(b)
		b.finish()
		archive := describe(work, dir, all[name].comment)
		if err := os.WriteFile(filepath.Join(outDir, name+".txtar"), txtar.Format(archive), 0o644); err != nil {
			log.Fatal(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			log.Fatal(err)
		}
	}
}

// run runs cfsctl and returns what it printed, or ok = false and its complaint.
func run(ok *bool, args ...string) []byte {
	cmd := exec.Command("cfsctl", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err == nil {
		return out
	}
	if ok == nil {
		log.Fatalf("cfsctl %v: %v\n%s", args, err, &stderr)
	}
	*ok = false
	return stderr.Bytes()
}

func describe(work, dir, comment string) *txtar.Archive {
	a := &txtar.Archive{Comment: []byte(comment + "\n")}
	add := func(name string, data []byte) { a.Files = append(a.Files, txtar.File{Name: name, Data: data}) }
	input := run(nil, "--no-repo", "--hash", "sha512", "create-dumpfile", "--no-propagate-usr-to-root", dir)
	add("input", input)
	add("sha256", otherDigests(input, run(nil, "--no-repo", "--hash", "sha256", "create-dumpfile", "--no-propagate-usr-to-root", dir)))
	add("objects", objects(input, dir))
	for _, stage := range []string{"oci", "boot"} {
		ok := true
		id := image(&ok, work, "sha512", "1", "allowlist-only", stage, dir)
		if !ok {
			complaint, _, _ := strings.Cut(strings.ReplaceAll(string(id), dir, ""), "Stack backtrace")
			add("refused", []byte(stage+"\n"+strings.TrimSpace(complaint)+"\n"))
			return a
		}
		if dump := dumpOf(id, stage, dir); dump != nil {
			add(stage, dump)
		}
	}
	add("ids", ids(work, dir))
	return a
}

func stageArgs(stage string) []string {
	if stage == "boot" {
		return []string{"--bootable"}
	}
	return nil
}

// image returns the id of the image that composefs-rs makes in a repository.
func image(ok *bool, work, alg, version, filter, stage, dir string) []byte {
	args := []string{"--repo=" + filepath.Join(work, alg+"-v"+version), "create-image", "--xattrs=" + filter, dir}
	return bytes.TrimPrefix(run(ok, append(args, stageArgs(stage)...)...), []byte(alg+":"))
}

// dumpOf returns the dump of what became of dir, if that is the image id. There
// are no dumps of trees in a repository; that of a directory is another one if
// the policy is behind symbolic links, which it follows in a directory only.
func dumpOf(id []byte, stage, dir string) []byte {
	ok := true
	args := append([]string{"--no-repo", "--hash=sha512"}, "compute-id", dir)
	other := run(&ok, append(args, stageArgs(stage)...)...)
	if !ok || !bytes.Equal(bytes.TrimSpace(id), bytes.TrimSpace(other)) {
		return nil
	}
	args[2] = "create-dumpfile"
	return run(nil, append(args, stageArgs(stage)...)...)
}

func ids(work, dir string) []byte {
	var out bytes.Buffer
	for _, alg := range []string{"sha256", "sha512"} {
		for _, version := range []string{"0", "1"} {
			for _, filter := range []string{"allowlist-only", "keep-user-xattrs"} {
				for _, stage := range []string{"oci", "boot"} {
					fmt.Fprintf(&out, "%s v%s %s %s %s", alg, version, filter, stage, image(nil, work, alg, version, filter, stage, dir))
				}
			}
		}
	}
	return out.Bytes()
}

// otherDigests returns the SHA-512 and the SHA-256 digests of the external
// files, from two dumps of the same directory.
func otherDigests(sha512, sha256 []byte) []byte {
	found := map[string]string{}
	a, b := strings.Split(string(sha512), "\n"), strings.Split(string(sha256), "\n")
	for i := range a {
		if x, y := strings.Fields(a[i]), strings.Fields(b[i]); len(x) > 10 && x[10] != "-" {
			found[x[10]] = x[10] + " " + y[10] + "\n"
		}
	}
	var lines []string
	for _, line := range found {
		lines = append(lines, line)
	}
	sort.Strings(lines)
	return []byte(strings.Join(lines, ""))
}

// objects returns the contents of the external files below /etc/selinux and
// /boot.
func objects(input []byte, dir string) []byte {
	root, err := tree.ReadDump(bytes.NewReader(input))
	if err != nil {
		log.Fatal(err)
	}
	found := map[string]string{}
	_ = tree.Walk(root, func(path string, n *tree.Node) error {
		interesting := strings.HasPrefix(path, "/etc/selinux/") || strings.HasPrefix(path, "/boot/")
		if interesting && n.IsRegular() && n.File != nil && n.File.Payload != "" {
			data, err := os.ReadFile(dir + path)
			if err != nil {
				log.Fatal(err)
			}
			found[n.File.Payload] = string(data)
		}
		return nil
	})
	var lines []string
	for payload, data := range found {
		lines = append(lines, payload+" "+strconv.Quote(data)+"\n")
	}
	sort.Strings(lines)
	return []byte(strings.Join(lines, ""))
}

// A builder makes a directory. Paths are relative to it and make their parents.
// Modification times are set at the end; those that mtime does not set count up
// from a fixed time.
type builder struct {
	dir   string
	made  []string
	times map[string][2]int64
}

func (b *builder) check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func (b *builder) place(path string) string {
	if parent := filepath.Dir(path); parent != "." && parent != "/" {
		b.mkdir(parent, 0o755)
	}
	b.made = append(b.made, path)
	return b.dir + "/" + path
}

func (b *builder) mkdir(path string, perm uint32) {
	if _, err := os.Lstat(b.dir + "/" + path); err == nil && path != "" {
		return
	}
	b.check(unix.Mkdir(b.place(path), perm))
}

func (b *builder) file(path, content string, perm uint32) {
	to := b.place(path)
	b.check(os.WriteFile(to, []byte(content), 0o600))
	b.check(unix.Chmod(to, perm))
}

func (b *builder) link(path, target string)    { b.check(os.Link(b.dir+"/"+target, b.place(path))) }
func (b *builder) symlink(path, target string) { b.check(os.Symlink(target, b.place(path))) }

func (b *builder) node(path string, mode uint32, major, minor uint32) {
	b.check(unix.Mknod(b.place(path), mode, int(unix.Mkdev(major, minor))))
}

func (b *builder) xattr(path, name, value string) {
	b.check(unix.Lsetxattr(b.dir+"/"+path, name, []byte(value), 0))
}

func (b *builder) chown(path string, uid, gid int) { b.check(os.Lchown(b.dir+"/"+path, uid, gid)) }

func (b *builder) mtime(path string, sec, nsec int64) {
	if b.times == nil {
		b.times = map[string][2]int64{}
	}
	b.times[path] = [2]int64{sec, nsec}
}

func (b *builder) finish() {
	for i := len(b.made) - 1; i >= 0; i-- {
		path := b.made[i]
		t, ok := b.times[path]
		if !ok {
			t = [2]int64{1_700_000_000 + int64(i), int64(i%3) * 123_456_789}
		}
		ts := []unix.Timespec{{Sec: t[0], Nsec: t[1]}, {Sec: t[0], Nsec: t[1]}}
		b.check(unix.UtimesNanoAt(unix.AT_FDCWD, b.dir+"/"+path, ts, unix.AT_SYMLINK_NOFOLLOW))
	}
}
