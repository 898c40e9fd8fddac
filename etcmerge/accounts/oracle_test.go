package accounts_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/etcmerge/accounts"
	"github.com/bootc-go/bootc/internal/testbase"
	"github.com/bootc-go/bootc/internal/testtool"
)

// TestTheToolsAgree has Debian's tools change the accounts of a real system, as
// an administrator would and as the build of the next image would, and lets
// pwck and grpck judge what is merged of that.
func TestTheToolsAgree(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		here, next []string // commands
		want, not  []string // lines of the outcome, by their beginning
	}{
		{
			name: "users on both sides",
			here: []string{"useradd -m -s /bin/bash -G adm ann", "usermod -p $y$hash root", "usermod -s /bin/sh daemon"},
			next: []string{"groupadd -r polkitd", "useradd -g polkitd -r -u 700 polkitd", "usermod -c Daemon daemon"},
			want: []string{"passwd ann:", "shadow ann:", "group ann:", "gshadow ann:", "group adm:x:4:ann", "passwd polkitd:x:700:", "shadow polkitd:", "group polkitd:", "gshadow polkitd:", "shadow root:$y$hash:", "passwd daemon:x:1:1:Daemon:/usr/sbin:/bin/sh"},
		},
		{
			name: "the same id on both sides",
			here: []string{"groupadd -g 711 prom", "useradd -g prom -u 711 prom"},
			next: []string{"groupadd -g 711 polkitd", "useradd -u 711 -g polkitd -G daemon polkitd", "useradd -u 712 -g polkitd helper"},
			want: []string{"passwd prom:x:711:711", "group prom:x:711"},
			not:  []string{"passwd polkitd", "shadow polkitd", "group polkitd", "gshadow polkitd", "passwd helper", "shadow helper", "group daemon:x:1:polkitd"},
		},
		{
			name: "removed on both sides",
			here: []string{"userdel games", "usermod -p $y$x lp", "gpasswd -a lp mail"},
			next: []string{"userdel uucp", "userdel lp", "userdel news", "groupmod -g 733 man", "usermod -u 733 man"},
			want: []string{"passwd lp:", "shadow lp:$y$x", "passwd man:x:733:733"},
			not:  []string{"passwd games", "shadow games", "passwd uucp", "shadow uucp", "passwd news", "group news"},
		},
		{
			name: "the image drops and renumbers groups in use",
			here: []string{"useradd -g users ann", "useradd -g staff bob"},
			next: []string{"groupdel users", "groupmod -g 766 staff", "groupadd -g 50 other"},
			want: []string{"passwd ann:x:1000:100:", "group users:x:100:", "group staff:x:50:"},
			not:  []string{"group other:"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, here, next, out := system(t), system(t), system(t), system(t)
			change(t, here, c.here)
			change(t, next, c.next)
			merged, notes := accounts.Merge(read(t, p), read(t, here), read(t, next))
			for name, data := range merged {
				if err := os.WriteFile(filepath.Join(out, "etc", name), data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if complaints := judge(t, out); complaints != judge(t, p) {
				t.Errorf("the tools complain: %s", complaints)
			}
			for i, line := range append(c.want, c.not...) {
				file, begin, _ := strings.Cut(line, " ")
				if found := strings.Contains("\n"+string(merged[file]), "\n"+begin); found != (i < len(c.want)) {
					t.Errorf("%s: %q: found is %t\n%s\n%s", file, begin, found, merged[file], sentences(notes))
				}
			}
		})
	}
}

// system is a directory with the account files of a Debian.
func system(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	base := filepath.Join(testbase.Tree(t), "etc")
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, "etc"), 0o755),
		os.MkdirAll(filepath.Join(dir, "home"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range append(accounts.Names(), "login.defs") {
		data, err := os.ReadFile(filepath.Join(base, name))
		if os.IsNotExist(err) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "etc", name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func read(t *testing.T, dir string) accounts.Files {
	t.Helper()
	out := accounts.Files{}
	for _, name := range accounts.Names() {
		data, err := os.ReadFile(filepath.Join(dir, "etc", name))
		switch {
		case os.IsNotExist(err):
		case err != nil:
			t.Fatal(err)
		default:
			out[name] = data
		}
	}
	return out
}

func change(t *testing.T, dir string, commands []string) {
	t.Helper()
	for _, command := range commands {
		words := strings.Fields(command)
		flag := "--prefix"
		if words[0] == "gpasswd" {
			flag = "--root"
		}
		args := append([]string{flag, dir}, words[1:]...)
		if out, err := exec.Command(testtool.Path(t, words[0]), args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v (this test needs root): %s", command, err, out)
		}
	}
}

// harmless is what the tools say of a system without directories and shells.
var harmless = regexp.MustCompile(`(?m)^(user '.*': (directory|program) '.*' does not exist|(pwck|grpck): no changes)\n`)

// judge is what pwck and grpck complain of.
func judge(t *testing.T, dir string) string {
	t.Helper()
	var complaints string
	for _, tool := range []string{"pwck", "grpck"} {
		cmd := exec.Command(testtool.Path(t, tool), "--root", dir, "--read-only")
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		out, err := cmd.CombinedOutput()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		complaints += harmless.ReplaceAllString(string(out), "")
	}
	return complaints
}
