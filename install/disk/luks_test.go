package disk

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a machine lacks for an encrypted root is named. The programs are told of here, for
// machines have them or not.
func TestCheckEncryption(t *testing.T) {
	const no, yes = "#!/bin/sh\necho TPM2 support is not installed. >&2\nexit 1\n", "#!/bin/sh\n"
	all := []string{"sys/class/tpmrm/tpmrm0", "dev/tpmrm0", "dev/mapper/control"}
	tests := []struct {
		name     string
		programs map[string]string
		files    []string
		is       error
		want     string
	}{
		{"all", map[string]string{"cryptsetup": no, "systemd-cryptenroll": yes}, all, nil, ""},
		{"no cryptsetup", map[string]string{"systemd-cryptenroll": yes}, all, ErrMissingTool, "missing program: cryptsetup (Debian package cryptsetup-bin)"},
		{"no systemd-cryptenroll", map[string]string{"cryptsetup": yes}, all, ErrMissingTool, "missing program: systemd-cryptenroll (Debian package systemd-cryptsetup)"},
		{"no TPM", map[string]string{"cryptsetup": yes, "systemd-cryptenroll": yes}, all[1:], ErrNoTPM, "no TPM 2.0 found: "},
		{"two TPMs", map[string]string{"cryptsetup": yes, "systemd-cryptenroll": yes}, append([]string{"sys/class/tpmrm/tpmrm1"}, all...), nil, "the machine has 2 TPMs"},
		{"no node of the TPM", map[string]string{"cryptsetup": yes, "systemd-cryptenroll": yes}, []string{all[0], all[2]}, os.ErrNotExist, "/dev/tpmrm0: no such file or directory: a container needs the host's /dev"},
		{"no device mapper", map[string]string{"cryptsetup": yes, "systemd-cryptenroll": yes}, all[:2], os.ErrNotExist, "/dev/mapper/control: no such file or directory: is dm_mod loaded?"},
		{"no libraries", map[string]string{"cryptsetup": yes, "systemd-cryptenroll": no}, all, nil, "systemd-cryptenroll: exit status 1: TPM2 support is not installed. (the libraries for it come with the Debian package tpm2-tools)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bin, root := t.TempDir(), t.TempDir()
			for name, text := range tt.programs {
				plant(t, filepath.Join(bin, name), text)
			}
			for _, name := range tt.files {
				plant(t, filepath.Join(root, name), "")
			}
			t.Setenv("PATH", bin)
			err := CheckEncryption(t.Context(), root)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.HasPrefix(err.Error(), "cannot encrypt the root: ") || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func plant(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}
