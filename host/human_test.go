package host

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const stamp = "2026-09-01T10:00:00Z"

var (
	shaA, shaB, shaC, shaD, shaE = sha("a"), sha("b"), sha("c"), sha("d"), sha("e")
	idA, idB, idC, idD           = id("a"), id("b"), id("c"), id("d")
)

func sha(digit string) string { return "sha256:" + strings.Repeat(digit, 64) }
func id(digit string) string  { return strings.Repeat(digit, 128) }

func TestHuman(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		status  Status
		verbose bool
		want    string
	}{
		{name: "not deployed by bootc", want: "System is not deployed via bootc.\n"},
		{
			name: "only staged", status: Status{Staged: entry("44.2", "b", plain)},
			want: "System is not deployed via bootc.\n",
		},
		{
			name: "only booted", status: Status{Booted: entry("44.1", "a", plain)},
			want: `● Booted image: quay.io/acme/os:44
        Digest: ` + shaA + ` (amd64)
        Verity: ` + idA + `
       Version: 44.1 (` + stamp + `)
`,
		},
		{
			name:   "all roles",
			status: full().Status,
			want: `  Staged image: quay.io/acme/os:44
        Digest: ` + shaB + ` (amd64)
        Verity: ` + idB + `
       Version: 44.2 (` + stamp + `)
 Factory reset: yes

● Booted image: quay.io/acme/os:44
        Digest: ` + shaA + ` (amd64)
        Verity: ` + idA + `
       Version: 44.1 (` + stamp + `)
      On trial: 1 tries made, 2 left
 UpdateVersion: 44.3 (` + stamp + `)
  UpdateDigest: ` + shaE + `
  /usr overlay: transient, read/write

  Rollback image: quay.io/acme/os:44
          Digest: ` + shaC + ` (amd64)
          Verity: ` + idC + `
         Version: 44.0 (` + stamp + `)
          Queued: yes

   Other image: quay.io/acme/os:44
        Digest: ` + shaD + ` (amd64)
        Verity: ` + idD + `
       Version: 43.9 (` + stamp + `)
        Pinned: yes

    Failed image: registry:quay.io/acme/os:44
          Digest: sha256:` + strings.Repeat("f", 64) + `
         Version: 44.9
          Reason: the required check web failed
        Given up: 2026-09-01T12:09:00Z, after 3 tries

    Missed image: registry:quay.io/acme/os:44
          Digest: sha256:` + strings.Repeat("e", 64) + `
         Version: 44.8
          Reason: no space left on device
       Missed at: 2026-08-01T12:00:00Z
`,
		},
		{
			name: "verbose", verbose: true,
			status: Status{
				Staged: entry("44.2", "b", func(e *BootEntry) {
					e.DownloadOnly = true
					e.Image.Image.Signature = &Signature{Kind: ContainerPolicy}
				}),
				Booted: entry("44.1", "a", func(e *BootEntry) {
					e.Composefs.MissingVerityAllowed = true
					e.Composefs.BootType, e.Composefs.UKIAddons = UKI, []string{"console", "debug"}
				}),
				Rollback: entry("44.0", "c", func(e *BootEntry) { e.SoftRebootCapable = true }),
			},
			want: `  Staged image: quay.io/acme/os:44
        Digest: ` + shaB + ` (amd64)
        Verity: ` + idB + `
       Version: 44.2 (` + stamp + `)
     Signature: container-policy
   Soft-reboot: no
      FsVerity: Enforced
 Download-only: yes

● Booted image: quay.io/acme/os:44
        Digest: ` + shaA + ` (amd64)
        Verity: ` + idA + `
       Version: 44.1 (` + stamp + `)
   Soft-reboot: no
      FsVerity: Not Enforced
    UKI addons: console, debug

  Rollback image: quay.io/acme/os:44
          Digest: ` + shaC + ` (amd64)
          Verity: ` + idC + `
         Version: 44.0 (` + stamp + `)
     Soft-reboot: yes
        FsVerity: Enforced
`,
		},
		{
			name: "what may be missing",
			status: Status{
				Staged: entry("", "b", func(e *BootEntry) { e.Image.Version = nil }),
				Booted: entry("44.1", "a", func(e *BootEntry) {
					e.Image.Image = ImageReference{Image: "/var/update", Transport: "oci"}
					e.Image.Timestamp = nil
					e.CachedUpdate = status("", "e")
					e.CachedUpdate.Version = nil
				}),
				Rollback: entry("", "c", func(e *BootEntry) {
					e.Image.Version, e.Image.Timestamp = nil, nil
					e.CachedUpdate = status("44.0", "c")
				}),
			},
			want: `  Staged image: quay.io/acme/os:44
        Digest: ` + shaB + ` (amd64)
        Verity: ` + idB + `
     Timestamp: ` + stamp + `

● Booted image: oci:/var/update
        Digest: ` + shaA + ` (amd64)
        Verity: ` + idA + `
       Version: 44.1
        Update: Available
  UpdateDigest: ` + shaE + `

  Rollback image: quay.io/acme/os:44
          Digest: ` + shaC + ` (amd64)
          Verity: ` + idC + `
`,
		},
		{
			name: "no image, verbose", verbose: true,
			status: Status{
				Staged:   &BootEntry{Ostree: &OstreeStatus{Stateroot: "default", Checksum: "f00", DeploySerial: 7}},
				Booted:   &BootEntry{Composefs: &ComposefsStatus{Verity: "abc"}},
				Rollback: &BootEntry{},
			},
			want: `  Staged ostree
         Commit: f00
      StateRoot: default
  Deploy serial: 7
         Staged: yes
    Soft-reboot: no
  Download-only: no

● Booted composefs
            Verity: abc
       Soft-reboot: no
          FsVerity: Enforced

  Rollback: unknown
`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := New()
			h.Status = c.status
			var got bytes.Buffer
			if err := h.WriteHuman(&got, HumanOptions{Verbose: c.verbose}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A version comes from a label: nobody's registry writes on the administrator's screen.
func TestHumanIsPrintable(t *testing.T) {
	t.Parallel()
	h := New()
	h.Status.Booted = entry("1\x1b[2J\r\n\u202e2", "a", plain)
	h.Status.Booted.Image.Timestamp = new(time.Time)
	var got bytes.Buffer
	if err := h.WriteHuman(&got, HumanOptions{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(got.String(), "Version: 1\ufffd[2J\ufffd\ufffd\ufffd2 (0001-01-01T00:00:00Z)\n") {
		t.Errorf("%q", got.String())
	}
}
