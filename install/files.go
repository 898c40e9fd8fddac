package install

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/deploy"
	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/internal/atomicfile"
)

// plainPath is a path that stands for itself in a line of tmpfiles.d(5).
var plainPath = regexp.MustCompile(`^[A-Za-z0-9._/+-]+$`)

// writeSSHKeys has systemd-tmpfiles put the keys into root's home at each boot if
// there are none. The home is often a link into /var, and may be on a file system
// of its own.
func (in *installer) writeSSHKeys(root *os.File, p *deploy.Pulled) error {
	if in.SSHKeys == nil {
		return nil
	}
	home := "/root"
	if target, err := fs.ReadLink(p.FS, "root"); err == nil {
		home = path.Join("/", target)
	}
	if !plainPath.MatchString(home) {
		return fmt.Errorf("root's home in this image, %q, has characters that tmpfiles.d(5) takes for others", home)
	}
	if !strings.HasPrefix(home, "/var/") {
		in.say("warning: root's home in this image, %s, is not below /var: the ssh keys get there only if it can be written to", home)
	}
	etc, err := openDir(root, path.Join("state/deploy", p.ID.String(), "etc"))
	if err != nil {
		return err
	}
	defer etc.Close()
	dir, err := makeDir(etc, "tmpfiles.d")
	if err != nil {
		return fmt.Errorf("/etc of the image: %w", err)
	}
	defer dir.Close()
	//nolint:dupword // user and group
	line := fmt.Sprintf("f~ %s/.ssh/authorized_keys 600 root root - %s\n", home, base64.StdEncoding.EncodeToString(in.SSHKeys))
	return atomicfile.WriteFile(dir, "bootc-root-ssh.conf", []byte(line), 0o644)
}

// aleph is the document .bootc-aleph.json, which keeps what a host was once
// installed from.
type aleph struct {
	Image       string            `json:"image"`
	Digest      string            `json:"digest"`
	TargetImage string            `json:"target-image"`
	Labels      map[string]string `json:"labels,omitempty"`
	Version     *string           `json:"version"`
	Timestamp   *time.Time        `json:"timestamp"`
	Kernel      string            `json:"kernel"` // that ran meanwhile
	SELinux     string            `json:"selinux"`
}

func (in *installer) writeAleph(root *os.File, p *deploy.Pulled) error {
	a := aleph{
		Image: in.Source.Name(), Digest: p.ManifestDigest.String(), TargetImage: in.Target.Ref.Name(),
		SELinux: "disabled",
	}
	if err := a.describe(in.image); err != nil {
		return err
	}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return fmt.Errorf("uname: %w", err)
	}
	a.Kernel = unix.ByteSliceToString(uts.Release[:])
	if _, err := fs.Stat(p.FS, "etc/selinux/config"); err == nil {
		a.SELinux = "enabled"
		if in.DisableSELinux {
			a.SELinux = "force-target-disabled"
		}
	}
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return atomicfile.WriteFile(root, ".bootc-aleph.json", append(b, '\n'), 0o644)
}

// describe takes labels, version and time from the image's configuration.
func (a *aleph) describe(img *image.Image) error {
	var doc struct {
		Created *time.Time
		Config  struct{ Labels map[string]string }
	}
	if err := json.Unmarshal(img.Config, &doc); err != nil {
		return fmt.Errorf("configuration of the image: %w", err)
	}
	a.Labels, a.Timestamp = doc.Config.Labels, doc.Created
	for _, label := range []string{"org.opencontainers.image.version", "version"} {
		if v := a.Labels[label]; v != "" && a.Version == nil {
			a.Version = &v
		}
	}
	if t, err := time.Parse(time.RFC3339, a.Labels["org.opencontainers.image.created"]); err == nil {
		a.Timestamp = &t
	}
	return nil
}
