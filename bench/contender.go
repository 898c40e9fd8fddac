package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// phase is what is measured of each contender, in this order.
type phase string

// The phases.
const (
	cold   phase = "cold"   // nothing is there
	again  phase = "again"  // all of it is
	update phase = "update" // one layer is new
)

// scene is where one contender runs once.
type scene struct {
	dir     string // fresh
	short   string // a directory with a short name, for podman's run files
	server  string // HOST:PORT
	image   string // repository on the server
	bootc   string // our binary
	profile string // where to write a CPU profile, if anywhere
}

// reference is the image of that tag as containers tools write it.
func (s scene) reference(tag string) string { return s.server + "/" + s.image + ":" + tag }

func (s scene) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// step is one part of a phase.
type step struct {
	name     string
	commands func(scene) []command
}

// contender is a way to bring an image from a registry to a tree.
type contender struct {
	name    string
	prepare func(scene) []command // before the clock starts
	check   func(scene) []command // after it stopped: is the result good?
	phases  map[phase][]step
}

// argv makes a command without environment.
func argv(args ...string) command { return command{args: args} }

// fixed is a step that is one command.
func fixed(name string, args func(scene) []string) step {
	return step{name, func(s scene) []command { return []command{argv(args(s)...)} }}
}

// contenders are all but ours, which needs our binary.
func contenders() []contender { return []contender{skopeoUmoci(), podman(), ostree()} }

func skopeoUmoci() contender {
	fetch := func(tag string) step {
		return fixed("skopeo copy to oci", func(s scene) []string {
			return []string{"skopeo", "copy", "--quiet", "--src-tls-verify=false", "docker://" + s.reference(tag), "oci:" + s.path("oci") + ":" + tag}
		})
	}
	unpack := func(tag string) step {
		return fixed("umoci unpack", func(s scene) []string {
			return []string{"umoci", "unpack", "--image", s.path("oci") + ":" + tag, s.path("bundle-" + tag)}
		})
	}
	return contender{
		name: "skopeo + umoci",
		phases: map[phase][]step{
			cold:   {fetch("v1"), unpack("v1")},
			again:  {fetch("v1")},
			update: {fetch("v2"), unpack("v2")},
		},
	}
}

func podman() contender {
	pull := func(tag string) []step {
		return []step{fixed("podman pull", func(s scene) []string {
			return []string{
				"podman", "--root", s.path("root"), "--runroot", s.short, "--storage-driver", "overlay",
				"pull", "--quiet", "--tls-verify=false", s.reference(tag),
			}
		})}
	}
	return contender{name: "podman", phases: map[phase][]step{cold: pull("v1"), again: pull("v1"), update: pull("v2")}}
}

func ostree() contender {
	in := func(s scene, args ...string) []string {
		return append([]string{"ostree", "--repo=" + s.path("repo")}, args...)
	}
	pull := func(tag string) step {
		return fixed("ostree pull", func(s scene) []string { return in(s, "pull", "bench", tag) })
	}
	checkout := func(tag string) step {
		return fixed("ostree checkout -H", func(s scene) []string { return in(s, "checkout", "-H", tag, s.path("tree-"+tag)) })
	}
	return contender{
		name: "ostree",
		prepare: func(s scene) []command {
			return []command{
				argv(in(s, "init", "--mode=bare")...),
				argv(in(s, "remote", "add", "--no-gpg-verify", "bench", "http://"+s.server+"/ostree/"+s.image)...),
			}
		},
		phases: map[phase][]step{
			cold:   {pull("v1"), checkout("v1")},
			again:  {pull("v1")},
			update: {pull("v2"), checkout("v2")},
		},
	}
}

// ours is bootc's own pull, to a mountable boot image: the one that an upgrade
// makes, and no plain image beside it.
func ours() contender {
	cfs := func(s scene, args ...string) command {
		all := []string{s.bootc, "internals", "cfs", "--repo", s.path("repo")}
		if s.profile != "" {
			all = append(all, "--cpuprofile", s.profile)
		}
		return command{args: append(all, args...), env: []string{"CONTAINERS_REGISTRIES_CONF=" + s.path("registries.conf")}}
	}
	pull := func(tag string) []step {
		return []step{{"oci pull --boot-only", func(s scene) []command {
			return []command{cfs(s, "oci", "pull", "--boot-only", "docker://"+s.reference(tag), "os")}
		}}}
	}
	return contender{
		name: "bootc",
		prepare: func(s scene) []command {
			s.profile = ""
			return []command{
				argv("sh", "-c", `printf '[[registry]]\nlocation = "%s"\ninsecure = true\n' "$1" >"$2"`, "sh", s.server, s.path("registries.conf")),
				cfs(s, "init", "--insecure"),
			}
		},
		check: func(s scene) []command {
			s.profile = ""
			return []command{
				argv("mkdir", s.path("mnt")),
				cfs(s, "oci", "mount", "--bootable", "os", s.path("mnt")),
				argv("test", "-s", s.path("mnt", "usr/lib/os-release")),
				argv("umount", s.path("mnt")),
			}
		},
		phases: map[phase][]step{cold: pull("v1"), again: pull("v1"), update: pull("v2")},
	}
}

// ostreeRepository makes an archive repository of the image in the layout dir,
// with a branch for each tag: what ostree's peers serve.
func ostreeRepository(ctx context.Context, dir string) error {
	final := filepath.Join(dir, "ostree")
	if _, err := os.Stat(final); err == nil {
		return nil
	}
	tmp := final + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	v1, err := layerPaths(dir, "v1")
	if err != nil {
		return err
	}
	var f facts
	if err := readJSON(filepath.Join(dir, "facts.json"), &f); err != nil {
		return err
	}
	changed := filepath.Join(dir, blobPath(f.Changed.Digest))
	commit := []string{"commit", "--fsync=0", "--tar-autocreate-parents", "--timestamp=@1700000000", "--subject=bench", "--branch"}
	first := append(append([]string{}, commit...), "v1")
	for _, path := range v1 {
		first = append(first, "--tree=tar="+path)
	}
	second := append(append([]string{}, commit...), "v2", "--tree=ref=v1", "--tree=tar="+changed)
	for _, args := range [][]string{{"init", "--mode=archive"}, first, second, {"summary", "--update"}} {
		cmd := exec.CommandContext(ctx, "ostree", append([]string{"--repo=" + tmp}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("ostree %s: %w\n%s", args[0], err, out)
		}
	}
	return os.Rename(tmp, final)
}

// layerPaths are the blobs of the layers of an image in the layout dir.
func layerPaths(dir, tag string) ([]string, error) {
	var m struct{ Layers []descriptor }
	if err := readJSON(filepath.Join(dir, blobPath(resolveTag(dir, tag))), &m); err != nil {
		return nil, err
	}
	var paths []string
	for _, l := range m.Layers {
		paths = append(paths, filepath.Join(dir, blobPath(l.Digest)))
	}
	return paths, nil
}
