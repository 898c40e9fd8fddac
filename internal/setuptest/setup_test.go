package setuptest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// fakeAPT answers as Debian 12's does: a simulation in its words, shortened, and
// noise. What it installs it writes down for fakeDPKG, and one package enables a unit.
const fakeAPT = `#!/bin/sh
root=${0%/*}/..
case "$*" in
'install -s'*) cat <<END ;;
Reading package lists...
  Upgrading libudev1:amd64 < 252.1-1 | 252.39-1~deb12u2 @ii uH > due to libexample1:amd64
  Installing libexample1:amd64 as Depends of fdisk:amd64
    Upgrading passwd:amd64 < 1:4.13+dfsg1-1 | 1:4.13+dfsg1-1+deb12u2 @ii uH > due to uidmap:amd64
  Installing uidmap:amd64 as Depends of buildah:amd64
Inst libudev1 [252.1-1] (252.39-1~deb12u2 Debian:12.15/oldstable [amd64])
Inst passwd [1:4.13+dfsg1-1] (1:4.13+dfsg1-1+deb12u2 Debian:12.15/oldstable [amd64])
Inst uidmap (1:4.13+dfsg1-1+deb12u2 Debian:12.15/oldstable [amd64])
Inst buildah (1.28.2+ds1-3+deb12u1+b3 Debian:12.15/oldstable [amd64])
Conf libudev1 (252.39-1~deb12u2 Debian:12.15/oldstable [amd64])
END
*' install '*)
	echo 'Setting up buildah ...'
	[ ! -e "$root/broken" ] || { echo 'E: Unable to fetch some archives' >&2; exit 100; }
	mkdir -p /etc/systemd/system/sockets.target.wants
	ln -s /lib/systemd/system/podman.socket /etc/systemd/system/sockets.target.wants/
	touch "$root/installed" ;;
*' update') echo 'Get:1 InRelease' ;;
esac
`

const fakeDPKG = `#!/bin/sh
[ -e "${0%/*}/../installed" ] || exit 1
shift 3
for name; do echo "$name installed"; done
`

// sandbox runs the script with its own of what it looks at in the system.
const sandbox = `set -e
mount -t tmpfs none /etc/systemd/system
mkdir -p /etc/systemd/system/timers.target.wants
ln -s /lib/systemd/system/old.timer /etc/systemd/system/timers.target.wants/
mount -t tmpfs none /var/lib/apt/lists
touch /var/lib/apt/lists/debian_InRelease
exec "$@"`

// TestSetup checks that a run says what it does and changes, a line each, and leaves
// what the package manager says to the log; and that one with nothing to do is silent.
func TestSetup(t *testing.T) {
	root := setupModule(t)
	out, err := setup(t, root, "demo")
	want := `setup: this upgrades packages that are installed: libudev1 (for fdisk), passwd (for buildah)
setup: installing 4 Debian packages, of which 8 were asked for, about 5 s ... N s
setup: Debian's packages enabled units; to undo that: systemctl disable --now podman.socket
`
	if got := regexp.MustCompile(`\.\.\. \d+ s`).ReplaceAllString(out, "... N s"); err != nil || got != want {
		t.Errorf("setup demo: %v\n%swant\n%s", err, out, want)
	}
	if log, err := os.ReadFile(filepath.Join(root, "build/log/setup.log")); !strings.Contains(string(log), "Setting up buildah") {
		t.Errorf("the log lacks what apt said: %v\n%s", err, log)
	}
	if out, err := setup(t, root, "demo"); err != nil || out != "" {
		t.Errorf("a second run: %v\n%s", err, out)
	}
}

// TestSetupFails checks that a failure shows the end of the log and names it.
func TestSetupFails(t *testing.T) {
	root := setupModule(t)
	write(t, filepath.Join(root, "broken"), "")
	program(t, root, "sleep", "#!/bin/sh\n")
	out, err := setup(t, root, "demo")
	for _, want := range []string{"... failed after ", "\n    E: Unable to fetch some archives\n", "\nsetup: these are the last lines of build/log/setup.log\n"} {
		if err == nil || !strings.Contains(out, want) {
			t.Errorf("%v, %q is not in\n%s", err, want, out)
		}
	}
}

// TestSetupRefuses checks what a run says that cannot begin.
func TestSetupRefuses(t *testing.T) {
	root := setupModule(t)
	if out, err := setup(t, root, "demos"); err == nil || out != "setup: there is no set-up for 'demos', only for: bench demo lint race test\n" {
		t.Errorf("%v\n%s", err, out)
	}
	program(t, root, "id", "#!/bin/sh\necho 1000\n")
	out, err := setup(t, root, "demo")
	if want := "only root can install them: buildah ca-certificates "; err == nil || !strings.Contains(out, want) || strings.Count(out, "\n") != 1 {
		t.Errorf("%v, want a line with %q:\n%s", err, want, out)
	}
}

// setupModule is a module on a machine with Go and without any of the packages.
func setupModule(t *testing.T) string {
	t.Helper()
	root := module(t, "check-go.sh", "setup.sh")
	program(t, root, "go", "#!/bin/sh\necho go version go1.26.0 linux/amd64\n")
	program(t, root, "apt-get", fakeAPT)
	program(t, root, "dpkg-query", fakeDPKG)
	write(t, filepath.Join(root, "scripts", "qemu.sh"), "#!/bin/sh\n")
	return root
}

func setup(t *testing.T, root, target string) (output string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "sh", "-c", sandbox, "sh", filepath.Join(root, "scripts", "setup.sh"), target)
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(root, "bin")+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}
