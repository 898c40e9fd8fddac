package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
	"unicode/utf16"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/deploy"
	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/kargs"
)

// The commands with which scripts make images and a host of directories:
//
//	image LAYOUT:TAG VERSION DIR...   an OCI image, each directory a layer
//	install LOADER REF                a host in $HOST that was installed with it
//	boot                              what firmware, kernel and initramfs do in $HOST
//	soft-reboot                       the first entry as well, but for what a kernel does
//	journal                           the host's journal, which listens until the next boot
//	read-journal FILE                 what it heard so far
func fixtures() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"image": func(ts *testscript.TestScript, _ bool, args []string) {
			layout, tag, _ := strings.Cut(args[0], ":")
			ts.Check(writeImage(ts.MkAbs(layout), tag, args[1], runtime.GOARCH, abs(ts, args[2:])))
		},
		"foreign-image": func(ts *testscript.TestScript, _ bool, args []string) {
			layout, tag, _ := strings.Cut(args[0], ":")
			ts.Check(writeImage(ts.MkAbs(layout), tag, args[1], "s390x", abs(ts, args[2:])))
		},
		"install": func(ts *testscript.TestScript, _ bool, args []string) {
			h := fixtureHost{ts.Getenv("HOST"), bootloader.Kind(args[0])}
			ts.Check(h.install(args[1]))
			ts.Check(h.boot())
		},
		"boot": func(ts *testscript.TestScript, _ bool, _ []string) {
			kind, err := os.ReadFile(filepath.Join(ts.Getenv("HOST"), "loader"))
			ts.Check(err)
			h := fixtureHost{ts.Getenv("HOST"), bootloader.Kind(kind)}
			ts.Check(h.boot())
		},
		"journal": func(ts *testscript.TestScript, _ bool, _ []string) {
			name := ts.Getenv("HOST") + "/run/systemd/journal/socket"
			ts.Check(os.MkdirAll(filepath.Dir(name), 0o755))
			ts.Check(os.RemoveAll(name))
			conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
			ts.Check(err)
			ts.Defer(func() { conn.Close() })
			journals.Store(ts.Getenv("HOST"), conn)
		},
		"read-journal": func(ts *testscript.TestScript, _ bool, args []string) {
			v, _ := journals.Load(ts.Getenv("HOST"))
			conn, ok := v.(*net.UnixConn)
			if !ok {
				ts.Fatalf("no journal listens")
			}
			ts.Check(readJournal(conn, ts.MkAbs(args[0])))
		},
		"soft-reboot": func(ts *testscript.TestScript, _ bool, _ []string) {
			kind, err := os.ReadFile(filepath.Join(ts.Getenv("HOST"), "loader"))
			ts.Check(err)
			h := fixtureHost{ts.Getenv("HOST"), bootloader.Kind(kind)}
			menu, err := h.menu()
			ts.Check(err)
			ts.Check(h.start(menu[0].ID.String()))
		},
	}
}

// journals are the sockets of hosts' journals, by the hosts' directories.
var journals sync.Map

// readJournal appends what the socket has received to a file.
func readJournal(conn *net.UnixConn, name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	buf := make([]byte, 64<<10)
	for {
		if err := conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			return err
		}
		n, err := conn.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := f.Write(append(buf[:n:n], '\n')); err != nil {
			return err
		}
	}
}

func abs(ts *testscript.TestScript, paths []string) []string {
	for i, p := range paths {
		paths[i] = ts.MkAbs(p)
	}
	return paths
}

// writeImage adds an image to an OCI layout, which is made if it is not there.
func writeImage(layout, tag, version, arch string, dirs []string) error {
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	config := v1.Image{Created: &created, Platform: v1.Platform{OS: "linux", Architecture: arch}}
	config.Config.Labels = map[string]string{"containers.bootc": "1", v1.AnnotationVersion: version}
	config.RootFS.Type = "layers"
	manifest := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest}
	for _, dir := range dirs {
		var layer bytes.Buffer
		w := tar.NewWriter(&layer)
		if err := w.AddFS(os.DirFS(dir)); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		desc, err := writeBlob(layout, v1.MediaTypeImageLayer, layer.Bytes())
		if err != nil {
			return err
		}
		manifest.Layers = append(manifest.Layers, desc)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, desc.Digest)
	}
	var err error
	if manifest.Config, err = writeJSONBlob(layout, v1.MediaTypeImageConfig, config); err != nil {
		return err
	}
	desc, err := writeJSONBlob(layout, v1.MediaTypeImageManifest, manifest)
	if err != nil {
		return err
	}
	desc.Annotations = map[string]string{v1.AnnotationRefName: tag}
	return addToIndex(layout, desc)
}

func addToIndex(layout string, desc v1.Descriptor) error {
	index := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex}
	if old, err := os.ReadFile(layout + "/index.json"); err == nil {
		if err := json.Unmarshal(old, &index); err != nil {
			return err
		}
	}
	kept := index.Manifests[:0]
	for _, m := range index.Manifests {
		if m.Annotations[v1.AnnotationRefName] != desc.Annotations[v1.AnnotationRefName] {
			kept = append(kept, m)
		}
	}
	index.Manifests = append(kept, desc)
	text, err := json.Marshal(index)
	if err != nil {
		return err
	}
	if err := os.WriteFile(layout+"/index.json", text, 0o644); err != nil {
		return err
	}
	return os.WriteFile(layout+"/oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644)
}

func writeJSONBlob(layout, mediaType string, v any) (v1.Descriptor, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return v1.Descriptor{}, err
	}
	return writeBlob(layout, mediaType, text)
}

func writeBlob(layout, mediaType string, data []byte) (v1.Descriptor, error) {
	d := digest.FromBytes(data)
	dir := filepath.Join(layout, "blobs/sha256")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return v1.Descriptor{}, err
	}
	return v1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(data))}, os.WriteFile(filepath.Join(dir, d.Encoded()), data, 0o644)
}

// A fixtureHost is a host whose root file system, mount table and EFI system
// partition are directories.
type fixtureHost struct {
	dir  string
	kind bootloader.Kind
}

func (h fixtureHost) path(name string) string { return filepath.Join(h.dir, name) }

// loader is the boot loader as firmware sees it.
func (h fixtureHost) loader() (bootloader.Loader, error) {
	boot, err := os.Open(h.path("sysroot/boot"))
	if err != nil {
		return nil, err
	}
	esp, err := os.Open(h.path("efi"))
	if err != nil {
		return nil, err
	}
	return bootloader.New(h.kind, bootloader.Files{Boot: boot, ESP: esp})
}

func (h fixtureHost) install(name string) error {
	for _, dir := range []string{"sysroot/boot", "efi", "run", "proc/self", "sys/firmware/efi/efivars"} {
		if err := os.MkdirAll(h.path(dir), 0o755); err != nil {
			return err
		}
	}
	info := map[bootloader.Kind]string{bootloader.Systemd: "systemd-boot 257", bootloader.GRUB: "GRUB 2.12"}[h.kind]
	if err := os.WriteFile(h.path("sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"), efiText(info), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(h.path("loader"), []byte(h.kind), 0o644); err != nil {
		return err
	}
	ref, err := image.Parse(name)
	if err != nil {
		return err
	}
	loader, err := h.loader()
	if err != nil {
		return err
	}
	return h.deploy(ref, loader)
}

func (h fixtureHost) deploy(ref image.Reference, loader bootloader.Loader) error {
	root, err := os.Open(h.path("sysroot"))
	if err != nil {
		return err
	}
	defer root.Close()
	run, err := os.Open(h.path("run"))
	if err != nil {
		return err
	}
	defer run.Close()
	ctx := context.Background()
	s, err := deploy.Open(ctx, deploy.System{
		Root: root, Run: run, Image: image.Options{PolicyPath: h.path("policy.json")},
		Arch: runtime.GOARCH,
	})
	if err != nil {
		return err
	}
	defer s.Close()
	p, err := s.Pull(ctx, deploy.Target{Ref: ref})
	if err != nil {
		return err
	}
	_, err = s.Deploy(ctx, p, deploy.FirstOptions{
		Loader: loader,
		Kargs:  func(l kargs.Line) kargs.Line { return append(kargs.Parse("root=UUID=x rw"), l...) },
	})
	return err
}

// menu is what the boot loader shows.
func (h fixtureHost) menu() ([]bootloader.Entry, error) {
	loader, err := h.loader()
	if err != nil {
		return nil, err
	}
	menu, err := loader.Menu()
	if err != nil || len(menu) == 0 {
		return nil, fmt.Errorf("nothing to boot: %w", err)
	}
	return menu, nil
}

// boot starts the first entry of the menu: the mount table names what it boots,
// /etc is that of the deployment, and /run is empty.
func (h fixtureHost) boot() error {
	menu, err := h.menu()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(h.path("run")); err != nil {
		return err
	}
	if err := os.Mkdir(h.path("run"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(h.path("proc/cmdline"), []byte(menu[0].Options.String()+"\n"), 0o644); err != nil {
		return err
	}
	return h.start(menu[0].ID.String())
}

// start makes a deployment the root file system.
func (h fixtureHost) start(id string) error {
	state := "sysroot/state/deploy/" + id + "/etc"
	if _, err := os.Stat(h.path(state)); err != nil {
		return err
	}
	if err := os.RemoveAll(h.path("etc")); err != nil {
		return err
	}
	if err := os.Symlink(state, h.path("etc")); err != nil {
		return err
	}
	mounts := "29 1 0:25 / / ro - overlay composefs:" + id + " ro\n31 29 0:99 / /efi rw - vfat /dev/x1 rw\n"
	random := h.path("proc/sys/kernel/random")
	if err := os.MkdirAll(random, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(random+"/boot_id", []byte(rand.Text()+"\n"), 0o644); err != nil {
		return err
	}
	return os.WriteFile(h.path("proc/self/mountinfo"), []byte(mounts), 0o644)
}

// efiText is a file of efivarfs that holds a text.
func efiText(s string) []byte {
	raw := []byte{6, 0, 0, 0}
	for _, c := range utf16.Encode([]rune(s + "\x00")) {
		raw = binary.LittleEndian.AppendUint16(raw, c)
	}
	return raw
}
