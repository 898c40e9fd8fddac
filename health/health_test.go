package health

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// plant writes files below a new directory. Those that begin with "#!" are executable,
// and "-> TARGET" is a symbolic link.
func plant(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			if err := os.Symlink(target, path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(content, "#!") {
			mode = 0o755
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		files map[string]string
		want  func(c *Config)
		err   string
	}{
		"none": {},
		"both": {files: map[string]string{
			"usr/lib/bootc/boot.toml": "tries = 5\ntimeout = \"2m\"\n[check-timeouts]\na = \"1s\"\nb = \"2s\"\n",
			"etc/bootc/boot.toml":     "tries = 0\ncheck-timeout = \"90s\"\n[check-timeouts]\nb = \"3s\"\n",
		}, want: func(c *Config) {
			c.Tries, c.Timeout, c.CheckTimeout = 0, 2*time.Minute, 90*time.Second
			c.Timeouts = map[string]time.Duration{"a": time.Second, "b": 3 * time.Second}
		}},
		"a damaged one changes nothing": {files: map[string]string{
			"usr/lib/bootc/boot.toml": "tries = 5\n", "etc/bootc/boot.toml": "tries = 2\ntimeout = \"soon\"\n",
		}, want: func(c *Config) { c.Tries = 5 }, err: "/etc/bootc/boot.toml: "},
		"unknown key":    {files: map[string]string{"etc/bootc/boot.toml": "trys = 1\n"}, err: "trys"},
		"too many":       {files: map[string]string{"etc/bootc/boot.toml": "tries = 10\n"}, err: "9 are the most"},
		"negative":       {files: map[string]string{"etc/bootc/boot.toml": "tries = -1\n"}, err: "boot.toml"},
		"no time at all": {files: map[string]string{"etc/bootc/boot.toml": "timeout = \"0s\"\n"}, err: "no time to wait"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := LoadConfig(plant(t, tt.files))
			want := Default()
			if tt.want != nil {
				tt.want(&want)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	root := plant(t, map[string]string{
		"usr/lib/bootc/health.d/required.d/20-b":        "#!/bin/true",
		"usr/lib/bootc/health.d/required.d/10-a":        "#!/bin/true",
		"etc/bootc/health.d/required.d/10-a":            "#!/bin/false",
		"usr/lib/bootc/health.d/required.d/30-masked":   "#!/bin/false",
		"etc/bootc/health.d/required.d/30-masked":       "-> /dev/null",
		"usr/lib/bootc/health.d/required.d/40-emptied":  "#!/bin/false",
		"etc/bootc/health.d/required.d/40-emptied":      "",
		"usr/lib/bootc/health.d/required.d/web.units":   "# the web\nnginx.service\n\n app.socket \n",
		"usr/lib/bootc/health.d/wanted.d/10-w":          "#!/bin/true",
		"etc/bootc/health.d/wanted.d/20-text":           "no program",
		"usr/lib/greenboot/check/required.d/00-g.sh":    "#!/bin/true",
		"etc/greenboot/check/required.d/00-g.sh":        "#!/bin/true",
		"etc/greenboot/check/required.d/README":         "no check",
		"etc/greenboot/check/wanted.d/01-g.sh":          "#!/bin/true",
		"etc/greenboot/greenboot.conf":                  "X=1",
		"usr/lib/greenboot/red.d/red.sh":                "#!/bin/true",
		"usr/lib/bootc/health.d/required.d/subdir/file": "#!/bin/false",
	})
	c := Default()
	c.Timeouts["10-a"] = time.Hour
	checks, err := Find(root, c)
	if err == nil || !strings.Contains(err.Error(), "20-text is not executable") {
		t.Errorf("error %v", err)
	}
	var got []string
	for _, c := range checks {
		text := map[bool]string{true: "required ", false: "wanted "}[c.Required] + c.Name
		if c.Path != "" {
			text += " " + strings.TrimPrefix(c.Path, root)
		}
		if c.Timeout != time.Minute {
			text += " " + c.Timeout.String()
		}
		got = append(got, text)
	}
	want := []string{
		"required 00-g.sh /etc/greenboot/check/required.d/00-g.sh",
		"required 00-g.sh /usr/lib/greenboot/check/required.d/00-g.sh",
		"required 10-a /etc/bootc/health.d/required.d/10-a 1h0m0s",
		"required 20-b /usr/lib/bootc/health.d/required.d/20-b",
		"required app.socket",
		"required nginx.service",
		"wanted 01-g.sh /etc/greenboot/check/wanted.d/01-g.sh",
		"wanted 10-w /usr/lib/bootc/health.d/wanted.d/10-w",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if hooks := Hooks(root, "red", time.Minute); len(hooks) != 1 || hooks[0].Name != "red.sh" {
		t.Errorf("hooks %+v", hooks)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	root := plant(t, map[string]string{
		"good":   "#!/bin/sh\necho fine; echo all >&2\n",
		"bad":    "#!/bin/sh\necho because; exit 3\n",
		"chatty": "#!/bin/sh\nyes | head -c 100000; echo the end; exit 1\n",
		"hangs":  "#!/bin/sh\necho begun; sleep 1000 & sleep 1000\n",
		"broken": "#!/does/not/exist\n",
	})
	active := func(_ context.Context, unit string) (string, error) {
		return map[string]string{"up.service": "active", "down.service": "failed"}[unit], nil
	}
	for name, want := range map[string][2]string{
		"good": {"", "fine\nall\n"}, "bad": {"exit status 3", "because\n"}, "hangs": {"did not end within 500ms", "begun\n"},
		"broken": {"no such file", ""}, "chatty": {"exit status 1", "the end\n"},
		"up.service": {"", ""}, "down.service": {"the unit is failed", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := Check{Name: name, Timeout: time.Minute}
			if !strings.Contains(name, ".") {
				c.Path = filepath.Join(root, name)
			}
			if name == "hangs" {
				c.Timeout = 500 * time.Millisecond
			}
			r := c.Run(t.Context(), active)
			if want[0] == "" && r.Err != nil || want[0] != "" && (r.Err == nil || !strings.Contains(r.Err.Error(), want[0])) {
				t.Errorf("error %v, want %q", r.Err, want[0])
			}
			if !strings.HasSuffix(r.Output, want[1]) || len(r.Output) > maxOutput || name != "chatty" && r.Output != want[1] {
				t.Errorf("%d bytes of output, %.80q, want %q", len(r.Output), r.Output, want[1])
			}
		})
	}
}
