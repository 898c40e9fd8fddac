package lint

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/rootdir"
)

// baseRules are about the directories that every root has.
func baseRules() []Rule {
	return []Rule{
		{
			Name: "api-base-directories", Type: Fatal, check: checkAPIDirectories,
			Description: "The directories in which the kernel and systemd mount their file systems must be there,\n" +
				"see <https://systemd.io/API_FILE_SYSTEMS/>, and /var.",
		},
		{
			Name: "baseimage-root", Type: Fatal, check: checkBaseImageRoot,
			Description: "/sysroot must be a directory, where the root of the disk will be; /ostree, if there is one,\n" +
				"a link to sysroot/ostree.",
		},
		{
			Name: "baseimage-composefs", Type: Warning, check: checkBaseImageComposefs,
			Description: "An image that has ostree must have composefs enabled for it, in prepare-root.conf.\n" +
				"Images without ostree boot with composefs always.",
		},
		{
			Name: "buildah-injected", Type: Warning, RootType: Alternative, check: checkBuildahInjected,
			Description: "An empty /etc/hostname or /etc/resolv.conf was left there by the tool that built the\n" +
				"image, and would be the host's.",
		},
		{
			Name: "etc-usretc", Type: Fatal, check: checkUsrEtc,
			Description: "The default configuration of an image is in /etc. A /usr/etc beside it has no defined\n" +
				"meaning.",
		},
		{
			Name: "nonempty-boot", Type: Warning, check: checkBoot,
			Description: "/boot must be there, as a mount point, and empty but for EFI: what is in it is not seen on\n" +
				"the host. The kernel belongs into /usr/lib/modules.",
		},
		{
			Name: "nonempty-run-tmp", Type: Warning, check: checkRunTmp,
			Description: "/run and /tmp are empty at each boot, whatever the image has there.",
		},
		{
			Name: "utf8", Type: Fatal, check: checkUTF8,
			Description: "Names of files and targets of links must be UTF-8.",
		},
		{
			Name: "var-run", Type: Fatal, check: checkVarRun,
			Description: "/var/run must be a link to /run. As a directory it would outlive reboots.",
		},
	}
}

// lookup is fs.Lstat, or nil where there is nothing.
func (r *root) lookup(name string) (fs.FileInfo, error) {
	st, err := r.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, nil //nolint:nilnil // nothing is no error
	}
	return st, err
}

// isLink says whether name is a symbolic link.
func (r *root) isLink(name string) (bool, error) {
	st, err := r.lookup(name)
	return st != nil && st.Mode().Type() == fs.ModeSymlink, err
}

// isDir says whether name is a directory, and no link to one.
func (r *root) isDir(name string) (bool, error) {
	st, err := r.lookup(name)
	return st != nil && st.IsDir(), err
}

func checkAPIDirectories(r *root) error {
	var missing []string
	for _, name := range []string{"dev", "proc", "sys", "run", "tmp", "var"} {
		st, err := r.lookup(name)
		switch {
		case err != nil:
			return err
		case st == nil:
			missing = append(missing, "Missing API filesystem base directory: /"+name)
		case !st.IsDir():
			missing = append(missing, "Expected directory for API filesystem base directory: /"+name)
		}
	}
	if missing != nil {
		return found("%s", strings.Join(missing, "\n  "))
	}
	return nil
}

// baseImageDir has a copy of what a base image puts into the root.
const baseImageDir = "usr/share/doc/bootc/baseimage/base"

func checkBaseImageRoot(r *root) error {
	if err := checkRoot(r, ""); err != nil {
		return err
	}
	if copied, err := r.isDir(baseImageDir); err != nil || !copied {
		return err
	}
	return checkRoot(r, baseImageDir)
}

func checkRoot(r *root, dir string) error {
	st, err := r.lookup(path.Join(dir, "sysroot"))
	switch {
	case err != nil:
		return err
	case st == nil:
		return found("Missing %s", path.Join("/", dir, "sysroot"))
	case !st.IsDir():
		return found("Expected a directory for %s", path.Join("/", dir, "sysroot"))
	}
	name := path.Join(dir, "ostree")
	st, err = r.lookup(name)
	switch {
	case err != nil || st == nil:
		return err
	case st.Mode().Type() != fs.ModeSymlink:
		return found("/%s should be a symlink", name)
	}
	target, err := r.ReadLink(name)
	if err == nil && target != "sysroot/ostree" {
		err = found("Expected /%s -> sysroot/ostree, not %s", name, quote(target))
	}
	return err
}

// prepareRoot is the configuration of ostree in the initramfs.
const prepareRoot = "usr/lib/ostree/prepare-root.conf"

func checkBaseImageComposefs(r *root) error {
	if ostree, err := r.isDir(path.Dir(prepareRoot)); err != nil || !ostree {
		return err
	}
	for _, name := range []string{prepareRoot, path.Join(baseImageDir, prepareRoot)} {
		data, err := r.ReadFile(name, maxText)
		if errors.Is(err, fs.ErrNotExist) {
			if name == prepareRoot {
				return found("%s is not present to enable composefs", name)
			}
			continue
		}
		if err != nil {
			return found("%v", err)
		}
		if !composefsEnabled(string(data)) {
			return found("%s does not have composefs enabled", name)
		}
	}
	return nil
}

// composefsEnabled reads a key file of GLib.
func composefsEnabled(text string) bool {
	section, composefs, transient := "", false, false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
		}
		key, value, _ := strings.Cut(line, "=")
		switch value = strings.TrimSpace(value); section + "." + strings.TrimSpace(key) {
		case "composefs.enabled":
			composefs = value == "signed" || value == "verity" || value == "maybe" || isTrue(value)
		case "root.transient":
			transient = isTrue(value)
		}
	}
	return composefs || transient
}

func isTrue(s string) bool { return s == "true" || s == "yes" || s == "1" }

func checkBuildahInjected(r *root) error {
	for _, name := range []string{"etc/hostname", "etc/resolv.conf"} {
		st, err := r.lookup(name)
		if err != nil {
			return err
		}
		if st != nil && st.Mode().IsRegular() && st.Size() == 0 {
			return found("/%s is an empty file; this may have been synthesized by a container runtime.", name)
		}
	}
	return nil
}

func checkUsrEtc(r *root) error {
	etc, err := r.lookup("etc")
	if err != nil || etc == nil {
		return err
	}
	usrEtc, err := r.lookup("usr/etc")
	if err == nil && usrEtc != nil {
		err = found("Found /usr/etc - this is a bootc implementation detail and not supported to use in containers")
	}
	return err
}

func checkBoot(r *root) error {
	if st, err := r.lookup("boot"); err != nil || st == nil {
		if err == nil {
			err = found("Missing /boot directory")
		}
		return err
	}
	entries, err := r.ReadDir("boot")
	if err != nil {
		return found("/boot: %v", errors.Unwrap(err))
	}
	var names []string
	for _, e := range entries {
		if e.Name() != "EFI" {
			names = append(names, quote(e.Name()))
		}
	}
	l := r.list()
	l.add("Found non-empty /boot", names)
	return l.finding()
}

// What container runtimes leave behind for the name service.
const stubResolver = "/run/systemd/resolve/stub-resolv.conf"

func checkRunTmp(r *root) error {
	paths := map[string]bool{}
	for _, dir := range []string{"run", "tmp"} {
		err := r.Walk(dir, func(e *rootdir.Entry) error {
			paths[e.Path] = true
			return nil
		})
		if err != nil {
			return err
		}
	}
	delete(paths, stubResolver)
	for dir := path.Dir(stubResolver); dir != "/run" && !hasBelow(paths, dir); dir = path.Dir(dir) {
		delete(paths, dir)
	}
	var items []string
	for p := range paths {
		items = append(items, quote(p))
	}
	l := r.list()
	l.add("Found content in runtime-only directories (/run, /tmp)", items)
	return l.finding()
}

func hasBelow(paths map[string]bool, dir string) bool {
	for p := range paths {
		if strings.HasPrefix(p, dir+"/") {
			return true
		}
	}
	return false
}

func checkUTF8(r *root) error {
	var bad []string
	err := r.Walk(".", func(e *rootdir.Entry) error {
		if !utf8.ValidString(e.Name()) {
			bad = append(bad, fmt.Sprintf("%s: Found non-utf8 filename %q", quote(path.Dir(e.Path)), e.Name()))
		}
		if e.Type() != unix.S_IFLNK {
			return nil
		}
		target, err := e.ReadLink()
		if err == nil && !utf8.ValidString(target) {
			bad = append(bad, quote(e.Path)+": Found non-utf8 symlink target")
		}
		return err
	})
	switch {
	case err != nil || len(bad) == 0:
		return err
	case len(bad) == 1:
		return found("%s", bad[0])
	}
	l := r.list()
	l.add("Names that are not UTF-8", bad)
	return l.finding()
}

func checkVarRun(r *root) error {
	st, err := r.lookup("var/run")
	if err == nil && st != nil && st.Mode().Type() != fs.ModeSymlink {
		err = found("Not a symlink: var/run")
	}
	return err
}
