// Package testimage builds bootable container images for tests with buildah,
// from Containerfiles as users write them, on top of a Debian that mmdebstrap
// makes from the mirror that this machine's apt uses.
//
// What is built is kept in build/cache, under names that are digests of all that
// went into it.
package testimage

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/testbase"
	"github.com/bootc-go/bootc/internal/testcache"
	"github.com/bootc-go/bootc/internal/testtool"
)

// Tag is the name of the image in each layout.
const Tag = "latest"

// Image is a built image.
type Image struct {
	Layout string // the OCI layout directory
	recipe []byte // all that it was made from
}

// Reference is the image as the container tools name it.
func (i Image) Reference() string { return "oci:" + i.Layout + ":" + Tag }

// Recipe says which image this is: caches of what is made from it are keyed by
// that.
func (i Image) Recipe() []byte { return i.recipe }

// suite is the Debian release. Its systemd is the first that takes units as
// credentials, with which testvm brings its agent into machines.
const suite = "trixie"

// Debian returns an image with no more than the essential packages and apt, as
// docker.io/library/debian is.
func Debian(t testing.TB) Image {
	t.Helper()
	args := []string{
		"--quiet", "--mode=root", "--variant=minbase",
		"--aptopt=APT::Install-Recommends false", "--aptopt=Acquire::Retries 3", "--dpkgopt=force-unsafe-io",
		"--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
		"--dpkgopt=path-exclude=/usr/share/doc/*",
		`--customize-hook=rm -f "$1/etc/hostname" "$1/etc/resolv.conf"`, // of this host
		suite,
	}
	recipe := []byte(strings.Join(args, "\n"))
	layout := testcache.Open(t, "debian", recipe).Entry(t, "layout", func(t testing.TB, layout string) {
		tar := filepath.Join(testcache.TempDir(t), "debian.tar")
		cmd := exec.Command(testtool.Path(t, "mmdebstrap"), append(args, tar, testbase.Mirror(t))...)
		cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000")
		run(t, cmd)
		b := newBuildah(t)
		container := b.run(t, "from", "scratch")
		b.run(t, "add", "--quiet", container, tar, "/")
		b.run(t, "commit", "--quiet", container, "oci:"+layout+":"+Tag)
	})
	return Image{layout, recipe}
}

// Build builds the Containerfile with the files of the directory context on top
// of base, which it must take as the build argument BASE. args are further build
// arguments, "NAME=value".
func Build(t testing.TB, base Image, containerfile, context string, args ...string) Image {
	t.Helper()
	text, err := os.ReadFile(containerfile)
	if err != nil {
		t.Fatal(err)
	}
	recipe := bytes.Join([][]byte{base.recipe, text, treeDigest(t, context), []byte(strings.Join(args, "\n"))}, []byte{0})
	name := strings.TrimPrefix(filepath.Base(containerfile), "Containerfile.")
	layout := testcache.Open(t, "image-"+name, recipe).Entry(t, "layout", func(t testing.TB, layout string) {
		argv := []string{
			"bud", "--quiet", "--isolation", "chroot", "--layers", "--format", "oci",
			"--build-arg", "BASE=" + base.Reference(), "--file", containerfile, "--tag", "oci:" + layout + ":" + Tag,
		}
		for _, a := range args {
			argv = append(argv, "--build-arg", a)
		}
		newBuildah(t).run(t, append(argv, context)...)
	})
	return Image{layout, recipe}
}

// treeDigest is that of all names, modes and contents below dir.
func treeDigest(t testing.TB, dir string) []byte {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%q %v %d\n", rel, info.Mode(), info.Size())
		switch info.Mode().Type() {
		case 0:
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = io.Copy(h, f)
			return err
		case fs.ModeSymlink:
			target, err := os.Readlink(path)
			fmt.Fprintf(h, "%q\n", target)
			return err
		default:
			return nil
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return h.Sum(nil)
}

// buildah is the program with a store of its own, which goes with the test.
type buildah struct{ flags []string }

func newBuildah(t testing.TB) buildah {
	t.Helper()
	dir := testcache.TempDir(t)
	t.Cleanup(func() {
		_ = unix.Unmount(filepath.Join(dir, "root", "overlay"), unix.MNT_DETACH) // buildah leaves it mounted
	})
	return buildah{[]string{"--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run")}}
}

func (b buildah) run(t testing.TB, args ...string) string {
	t.Helper()
	return run(t, exec.Command(testtool.Path(t, "buildah"), append(append([]string{}, b.flags...), args...)...))
}

// run runs cmd and returns its standard output.
func run(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, &stdout, &stderr)
	}
	return strings.TrimSpace(stdout.String())
}
