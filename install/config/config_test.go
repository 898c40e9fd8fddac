package config

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func files(kv ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i := 0; i < len(kv); i += 2 {
		f := &fstest.MapFile{Data: []byte(kv[i+1]), Mode: 0o644}
		if target, ok := strings.CutPrefix(kv[i+1], "-> "); ok {
			f.Data, f.Mode = []byte(target), fs.ModeSymlink|0o777
		}
		m[kv[i]] = f
	}
	return m
}

// The expected documents are written by hand, with the keys in the order and the
// spelling that upstream's print-configuration has.
func TestLoad(t *testing.T) {
	t.Parallel()
	const none = `"match-architectures":null,"ostree":null,"stateroot":null,"root-mount-spec":null,"boot-mount-spec":null,` +
		`"bootupd":null,"bootloader":null,"discoverable-partitions":null,"enforce-container-sigpolicy":null}`
	const xfs = `{"root-fs-type":"xfs","block":["direct"],"filesystem":{"root":{"type":"xfs"}},`
	tests := []struct {
		name string
		fs   fstest.MapFS
		want string
	}{
		{"nothing", files(), `{"root-fs-type":null,"block":["direct"],"filesystem":null,` + none},
		{"old spelling", files("usr/lib/bootc/install/a.toml", "[install]\nroot-fs-type = \"xfs\"\n"), xfs + none},
		{"new spelling wins", files(
			"usr/lib/bootc/install/a.toml", "[install.filesystem.root]\ntype = \"xfs\"\n",
			"usr/lib/bootc/install/b.toml", "[install]\nroot-fs-type = \"ext4\"\n",
		), xfs + none},
		{"same name overrides", files(
			"usr/lib/bootc/install/a.toml", "[install]\nkargs = [\"lost\"]\n",
			"usr/local/lib/bootc/install/a.toml", "[install]\nkargs = [\"lost2\"]\n",
			"etc/bootc/install/a.toml", "[install]\nkargs = [\"lost3\"]\n",
			"run/bootc/install/a.toml", "[install]\nroot-fs-type = \"xfs\"\n",
		), xfs + none},
		{"merged by name, not by directory", files(
			"run/bootc/install/10.toml", "[install]\nkargs = [\"one\"]\nroot-fs-type = \"ext4\"\n",
			"usr/lib/bootc/install/20.toml", "[install]\nkargs = [\"two\", \"one\"]\nroot-fs-type = \"xfs\"\n",
			"etc/bootc/install/30.toml", "[install]\nkarg-deletes = [\"debug\"]\n",
		), xfs + `"kargs":["one","two","one"],"karg-deletes":["debug"],` + none},
		{"block is replaced", files(
			"usr/lib/bootc/install/1.toml", "[install]\nblock = [\"direct\", \"tpm2-luks\"]\n",
			"usr/lib/bootc/install/2.toml", "[install]\nblock = [\"tpm2-luks\"]\n",
		), `{"root-fs-type":null,"block":["tpm2-luks"],"filesystem":null,` + none},
		{"architectures", files(
			"usr/lib/bootc/install/1.toml", "[install]\nmatch-architectures = [\"x86_64\", \"aarch64\"]\nroot-fs-type = \"xfs\"\n",
			"usr/lib/bootc/install/2.toml", "[install]\nmatch-architectures = [\"amd64\"]\nkargs = [\"no\"]\n",
			"usr/lib/bootc/install/3.toml", "[install]\nmatch-architectures = []\nkargs = [\"no\"]\n",
		), xfs + none},
		{"masked, hidden, other names", files(
			"usr/lib/bootc/install/1.toml", "[install]\nkargs = [\"no\"]\n",
			"etc/bootc/install/1.toml", "-> /dev/null",
			"etc/bootc/install/.2.toml", "[install]\nkargs = [\"no\"]\n",
			"etc/bootc/install/3.conf", "[install]\nkargs = [\"no\"]\n",
			"etc/bootc/install/4.toml", "[install]\nroot-fs-type = \"xfs\"\n",
		), xfs + none},
		{"all keys", files("usr/lib/bootc/install/a.toml", `[install]
root-fs-type = "ext4"
stateroot = "default"
root-mount-spec = "LABEL=rootfs"
boot-mount-spec = ""
bootloader = "grub-cc"
discoverable-partitions = true
enforce-container-sigpolicy = false
[install.ostree]
bls-append-except-default = 'grub_users=""'
[install.bootupd]
skip-boot-uuid = true
`), `{"root-fs-type":"ext4","block":["direct"],"filesystem":{"root":{"type":"ext4"}},"match-architectures":null,` +
			`"ostree":{"bls-append-except-default":"grub_users=\"\""},"stateroot":"default","root-mount-spec":"LABEL=rootfs","boot-mount-spec":"",` +
			`"bootupd":{"skip-boot-uuid":true},"bootloader":"grub-cc","discoverable-partitions":true,"enforce-container-sigpolicy":false}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, warnings, err := Load(tt.fs, "amd64")
			if err != nil || len(warnings) > 0 {
				t.Fatalf("err %v, warnings %q", err, warnings)
			}
			got, err := c.JSON(true)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLoadWarnsOfUnknownKeys(t *testing.T) {
	t.Parallel()
	c, warnings, err := Load(files("etc/bootc/install/a.toml", "x = 1\n[install]\nroot-fs-typ = 1\nkargs = [\"a\"]\n[install.filesystem.root]\nkind = 2\n[other]\ny = 1\n"), "amd64")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"/etc/bootc/install/a.toml: unknown key x", "/etc/bootc/install/a.toml: unknown key install.root-fs-typ",
		"/etc/bootc/install/a.toml: unknown key install.filesystem.root.kind", "/etc/bootc/install/a.toml: unknown key other",
	}
	if diff := cmp.Diff(want, warnings); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a"}, c.Kargs); diff != "" {
		t.Error("known keys beside unknown ones:", diff)
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"file system", "[install]\nroot-fs-type = \"zfs\"\n", `/etc/bootc/install/a.toml: unknown file system "zfs" (want one of ext4 xfs btrfs)`},
		{"boot loader", "[install]\nbootloader = \"lilo\"\n", `unknown boot loader "lilo"`},
		{"block setup", "[install]\nblock = [\"lvm\"]\n", `unknown block setup "lvm"`},
		{"type", "[install]\nkargs = \"quiet\"\n", `line 2`},
		{"syntax", "[install\n", `line 1`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := Load(files("etc/bootc/install/a.toml", tt.text), "amd64")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want …%s…", err, tt.want)
			}
		})
	}
}

func TestJSONWithoutKargs(t *testing.T) {
	t.Parallel()
	c, _, err := Load(files("etc/bootc/install/a.toml", "[install]\nkargs = [\"a\"]\nkarg-deletes = [\"b\"]\n"), "amd64")
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.JSON(false)
	if err != nil || strings.Contains(string(got), "karg") {
		t.Errorf("%s, %v", got, err)
	}
}

func TestBlockSetups(t *testing.T) {
	t.Parallel()
	const file = "usr/lib/bootc/install/1.toml"
	for name, tt := range map[string]struct {
		fs   fstest.MapFS
		want string
	}{
		"no file":            {files(), "[direct tpm2-luks]"},
		"a file, no word":    {files(file, "[install]\nroot-fs-type = \"xfs\"\n"), "[direct]"},
		"the other first":    {files(file, "[install]\nblock = [\"tpm2-luks\", \"direct\"]\n"), "[tpm2-luks direct]"},
		"nothing is allowed": {files(file, "[install]\nblock = []\n"), "[]"},
		"another's machine":  {files(file, "[install]\nmatch-architectures = [\"s390x\"]\nblock = [\"tpm2-luks\"]\n"), "[direct]"},
	} {
		c, _, err := Load(tt.fs, "amd64")
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(c.BlockSetups()); got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
	}
	if got := fmt.Sprint((*Config)(nil).BlockSetups()); got != "[direct tpm2-luks]" {
		t.Errorf("no configuration: %s", got)
	}
}
