package testbase

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testtool"
)

// suites are tried in this order: a mirror need not have every release.
var suites = []string{"trixie", "bookworm"}

// packages are what a bootable Debian needs, and enough tools to look around in
// it once it runs.
var packages = []string{
	"attr", "ca-certificates", "dbus", "dracut", "e2fsprogs", "iproute2", "kmod", "linux-image-cloud-amd64",
	"systemd", "systemd-boot-efi", "systemd-sysv", "udev", "zstd",
}

// mirrorScript prints the address of the Debian archive that apt uses.
const mirrorScript = `apt-get indextargets --format '$(REPO_URI) $(LABEL) $(CODENAME)' 'Created-By: Packages' |
	awk '$2 == "Debian" && $3 !~ /-(updates|backports|security)$/ && !seen++ { print $1 }'`

// essentialHook copies the tree to $ESSENTIAL as it is before the packages
// beyond the essential ones: that is the first layer.
const essentialHook = `tar --numeric-owner --xattrs --xattrs-include='*' --acls --one-file-system ` +
	`--exclude='./var/cache/apt/archives/*.deb' --exclude='./var/lib/apt/lists/*' -C "$1" -c . | ` +
	`tar --numeric-owner --xattrs --xattrs-include='*' --acls -x -C "$ESSENTIAL"`

// bootableScript gives the tree in $1 the layout of a bootable container. What
// it removes and replaces becomes whiteouts.
const bootableScript = `set -eu
cd "$1"
kernel=$(echo usr/lib/modules/*)
mv boot/vmlinuz-* "$kernel/vmlinuz"
mv boot/initrd.img-* "$kernel/initramfs.img"
rm -rf boot/* vmlinuz* initrd.img* usr/share/doc usr/share/bug
mkdir -p sysroot/ostree usr/share/bug
ln -s sysroot/ostree ostree
`

// oddScript adds what Debian's packages lack: every kind of inode, links
// between them, and extended attributes.
const oddScript = `set -eu
mkdir -p "$1/usr/lib/odd/dir with spaces" "$1/usr/lib/odd/empty"
cd "$1/usr/lib/odd"
mkfifo -m 640 fifo
mknod -m 600 null c 1 3
mknod -m 660 disk b 7 0
echo 'sixty-four bytes, which is as much as a layer stream holds inline' | head -c 64 >sixty-four
echo 'sixty-five bytes, which is one more, so this goes to the objects!' | head -c 65 >sixty-five
: >empty-file
ln sixty-five hard-link
ln sixty-five "dir with spaces/hard link"
ln fifo hard-fifo
ln -s ../../../usr/lib/odd/./sixty-five 'symbolic
link'
seq 200000 >large
setfattr -n user.comment -v 'an attribute' sixty-five
setfattr -n user.binary -v 0x00ff0a00 sixty-four
setfattr -n user.of.dir -v x empty
setfacl -m u:1000:rw,g:1000:r sixty-four
setfacl -d -m u:1000:rwx empty
chown 1000:100 large
chmod 4755 large
setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 large
touch -d @1.5 sixty-five
touch -d @-86400 'dir with spaces'
`

// buildImage makes the layout dir: one layer of the essential packages, one of
// all others, one that makes it bootable, one of odd inodes.
func buildImage(t testing.TB, dir string) {
	requireRoot(t)
	work := dir + ".work"
	bundle, full := filepath.Join(work, "bundle"), filepath.Join(work, "full")
	rootfs := filepath.Join(bundle, "rootfs")
	if err := os.RemoveAll(work); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(work, 0o755); err != nil {
		t.Fatal(err)
	}
	umoci(t, "init", "--layout", dir)
	umoci(t, "new", "--image", dir+":"+Tag)
	umoci(t, "config", "--image", dir+":"+Tag, "--architecture", "amd64", "--os", "linux", "--config.label", "containers.bootc=1")
	umoci(t, "unpack", "--image", dir+":"+Tag, bundle)

	debootstrap(t, full, rootfs)
	repack(t, dir, bundle)
	for _, args := range [][]string{{"rm", "-rf", rootfs}, {"mv", full, rootfs}} {
		run(t, exec.Command(args[0], args[1:]...))
	}
	repack(t, dir, bundle)
	for _, script := range []string{bootableScript, oddScript} {
		run(t, exec.Command("sh", "-c", script, "sh", rootfs))
		repack(t, dir, bundle)
	}
	umoci(t, "gc", "--layout", dir)
	if err := os.RemoveAll(work); err != nil {
		t.Fatal(err)
	}
}

// debootstrap makes the tree full, and essential as it was half-way.
func debootstrap(t testing.TB, full, essential string) {
	t.Helper()
	mirror := Mirror(t)
	var errs []string
	for _, suite := range suites {
		cmd := exec.Command(testtool.Path(t, "mmdebstrap"), "--quiet", "--mode=root", "--variant=minbase",
			"--aptopt=APT::Install-Recommends false", "--aptopt=Acquire::Retries 3",
			"--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=force-unsafe-io",
			"--essential-hook="+essentialHook, "--include="+strings.Join(packages, ","), suite, full, mirror)
		cmd.Env = append(os.Environ(), "ESSENTIAL="+essential, "SOURCE_DATE_EPOCH=1700000000")
		out, err := cmd.CombinedOutput()
		if err == nil {
			return
		}
		errs = append(errs, suite+": "+err.Error()+"\n"+string(out))
		run(t, exec.Command("rm", "-rf", full))
		run(t, exec.Command("find", essential, "-mindepth", "1", "-delete"))
	}
	t.Fatalf("mmdebstrap: %s", strings.Join(errs, "\n"))
}

// repack makes a layer of what changed in bundle since the last one.
func repack(t testing.TB, layout, bundle string) {
	t.Helper()
	umoci(t, "repack", "--refresh-bundle", "--image", layout+":"+Tag, bundle)
}

func unpack(t testing.TB, layout, bundle string) {
	t.Helper()
	umoci(t, "unpack", "--image", layout+":"+Tag, bundle)
}

func recompress(t testing.TB, from, to string, f Format) {
	t.Helper()
	skopeo(t, "--dest-compress-format", string(f), "oci:"+from+":"+Tag, "oci:"+to+":"+Tag)
}

// decompress goes through a plain directory, the one destination for which
// skopeo decompresses.
func decompress(t testing.TB, from, to string) {
	t.Helper()
	plain := t.TempDir()
	skopeo(t, "--dest-decompress", "oci:"+from+":"+Tag, "dir:"+plain)
	skopeo(t, "--dest-oci-accept-uncompressed-layers", "dir:"+plain, "oci:"+to+":"+Tag)
}

func skopeo(t testing.TB, args ...string) {
	t.Helper()
	run(t, exec.Command(testtool.Path(t, "skopeo"), append([]string{"copy", "--quiet"}, args...)...))
}

func umoci(t testing.TB, args ...string) {
	t.Helper()
	run(t, exec.Command(testtool.Path(t, "umoci"), args...))
}

// run runs cmd and returns its standard output.
func run(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, &stderr)
	}
	return stdout.String()
}
