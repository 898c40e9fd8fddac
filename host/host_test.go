package host

import (
	"bytes"
	"encoding/json"
	"maps"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/internal/testtool"
)

// full is a document in which everything is set.
func full() *Host {
	h := New()
	h.Spec.Image = &ImageReference{Image: "quay.io/acme/os:44", Transport: "registry", Signature: &Signature{Kind: ContainerPolicy}}
	h.Spec.BootOrder = BootRollback
	h.Status = Status{
		Staged:           entry("44.2", "b", func(e *BootEntry) { e.DownloadOnly = true }),
		Booted:           entry("44.1", "a", func(e *BootEntry) { e.CachedUpdate = status("44.3", "e") }),
		Rollback:         entry("44.0", "c", func(e *BootEntry) { e.SoftRebootCapable = true }),
		OtherDeployments: []BootEntry{*entry("43.9", "d", func(e *BootEntry) { e.Pinned = true })},
		RollbackQueued:   true,
		Type:             new(BootcHost),
		UsrOverlay:       &FilesystemOverlay{AccessMode: AccessReadWrite, Persistence: Transient},
		ReadOnly:         true,
		FailedUpdates: []FailedUpdate{{
			Image: "registry:quay.io/acme/os:44", ImageDigest: "sha256:" + strings.Repeat("f", 64), Version: new("44.9"),
			Verity: strings.Repeat("f", 128), Reason: "the required check web failed", Output: new("down\n"), Tries: 3,
			FirstBoot: new(time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)), Recorded: time.Date(2026, 9, 1, 12, 9, 0, 0, time.UTC),
			BootIDs: []string{"b1", "b2"},
		}},
		MissedUpdate: &MissedUpdate{
			Image: "registry:quay.io/acme/os:44", ImageDigest: "sha256:" + strings.Repeat("e", 64), Version: new("44.8"),
			Verity: strings.Repeat("e", 128), Reason: "no space left on device", Recorded: time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC),
		},
	}
	h.Status.Staged.FactoryReset = true
	h.Status.Rollback.Composefs.BootType, h.Status.Rollback.Composefs.UKIAddons = UKI, []string{"console"}
	h.Status.Booted.Trial = &Trial{TriesLeft: 2, TriesDone: 1}
	return h
}

func entry(version, digit string, change func(*BootEntry)) *BootEntry {
	e := &BootEntry{
		Image: status(version, digit),
		Composefs: &ComposefsStatus{
			Verity: strings.Repeat(digit, 128), BootType: BLS, Bootloader: "systemd",
			BootDigest: new(strings.Repeat(digit, 64)),
		},
	}
	change(e)
	return e
}

func status(version, digit string) *ImageStatus {
	return &ImageStatus{
		Image:        ImageReference{Image: "quay.io/acme/os:44", Transport: "registry"},
		Version:      new(version),
		Timestamp:    new(time.Date(2026, 9, 1, 12, 0, 0, 420_000_000, time.FixedZone("", 7200))),
		ImageDigest:  "sha256:" + strings.Repeat(digit, 64),
		Architecture: "amd64",
	}
}

func plain(*BootEntry) {}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]*Host{"full": full(), "empty": New()} {
		data, err := h.JSON()
		if err != nil {
			t.Fatal(err)
		}
		text, err := h.YAML()
		if err != nil {
			t.Fatal(err)
		}
		for form, data := range map[string][]byte{"JSON": data, "YAML": text} {
			got, err := Decode(data)
			if err != nil {
				t.Fatalf("%s as %s: %v", name, form, err)
			}
			if diff := cmp.Diff(h, got); diff != "" {
				t.Errorf("%s as %s: %s", name, form, diff)
			}
		}
	}
}

// TestEmptyDocument is, but for the order of the keys, the document that upstream
// prints on a host without deployments.
func TestEmptyDocument(t *testing.T) {
	t.Parallel()
	data, err := New().JSON()
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"apiVersion":"org.containers.bootc/v1","kind":"BootcHost","metadata":{"name":"host"},` +
		`"spec":{"bootOrder":"default","image":null},` +
		`"status":{"booted":null,"readOnly":false,"rollback":null,"rollbackQueued":false,"staged":null,"type":null,"usrOverlay":null}}`
	if string(data) != want {
		t.Errorf("%s", data)
	}
}

// TestKeys is the schema of the document by hand: every key that it has, and the
// type or the values of each.
func TestKeys(t *testing.T) {
	t.Parallel()
	data, err := full().JSON()
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	type m = map[string]any
	image := func(digit, version string) m {
		return m{
			"image": m{"image": "quay.io/acme/os:44", "transport": "registry"}, "version": version,
			"timestamp": "2026-09-01T12:00:00.42+02:00", "imageDigest": "sha256:" + strings.Repeat(digit, 64), "architecture": "amd64",
		}
	}
	entry := func(digit, version string, change m) m {
		e := m{
			"image": image(digit, version), "cachedUpdate": nil, "incompatible": false, "pinned": false,
			"softRebootCapable": false, "downloadOnly": false, "store": nil, "ostree": nil,
			"composefs": m{
				"verity": strings.Repeat(digit, 128), "bootType": "Bls", "bootloader": "systemd",
				"bootDigest": strings.Repeat(digit, 64), "missingVerityAllowed": false,
			},
		}
		maps.Copy(e, change)
		return e
	}
	rollback := entry("c", "44.0", m{"softRebootCapable": true, "composefs": m{
		"verity": strings.Repeat("c", 128), "bootType": "Uki", "bootloader": "systemd",
		"bootDigest": strings.Repeat("c", 64), "missingVerityAllowed": false, "ukiAddons": []any{"console"},
	}})
	want := m{
		"apiVersion": "org.containers.bootc/v1", "kind": "BootcHost", "metadata": m{"name": "host"},
		"spec": m{
			"image":     m{"image": "quay.io/acme/os:44", "transport": "registry", "signature": "containerPolicy"},
			"bootOrder": "rollback",
		},
		"status": m{
			"staged":           entry("b", "44.2", m{"downloadOnly": true, "factoryReset": true}),
			"booted":           entry("a", "44.1", m{"cachedUpdate": image("e", "44.3"), "trial": m{"triesLeft": 2.0, "triesDone": 1.0}}),
			"rollback":         rollback,
			"otherDeployments": []any{entry("d", "43.9", m{"pinned": true})},
			"rollbackQueued":   true, "type": "bootcHost",
			"usrOverlay": m{"accessMode": "readWrite", "persistence": "transient"}, "readOnly": true,
			"failedUpdates": []any{m{
				"image": "registry:quay.io/acme/os:44", "imageDigest": "sha256:" + strings.Repeat("f", 64), "version": "44.9",
				"verity": strings.Repeat("f", 128), "reason": "the required check web failed", "output": "down\n", "tries": 3.0,
				"firstBoot": "2026-09-01T12:00:00Z", "recorded": "2026-09-01T12:09:00Z", "bootIds": []any{"b1", "b2"},
			}},
			"missedUpdate": m{
				"image": "registry:quay.io/acme/os:44", "imageDigest": "sha256:" + strings.Repeat("e", 64), "version": "44.8",
				"verity": strings.Repeat("e", 128), "reason": "no space left on device", "recorded": "2026-08-01T12:00:00Z",
			},
		},
	}
	if diff := cmp.Diff(want, doc); diff != "" {
		t.Error(diff)
	}
}

// TestCanonicalJSON compares with Python's encoder, set up as RFC 8785 has it.
func TestCanonicalJSON(t *testing.T) {
	t.Parallel()
	python := testtool.Path(t, "python3")
	h := full()
	h.Spec.Image.Image = "a<b>&c\u2028d\u00e9\U0001F600\"\\/\t\x7f"
	data, err := h.JSON()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", `import json, sys
sys.stdout.buffer.write(json.dumps(json.load(sys.stdin), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())`)
	cmd.Stdin = bytes.NewReader(data)
	want, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(data)); diff != "" {
		t.Error(diff)
	}
}

func TestTimeThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	h := full()
	h.Status.Booted.Image.Timestamp = new(time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC))
	if _, err := h.JSON(); err == nil {
		t.Error("no error from JSON")
	}
	if _, err := h.YAML(); err == nil {
		t.Error("no error from YAML")
	}
}

func TestSignature(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, human string
		want        Signature
	}{
		{`{"ostreeRemote":"fedora"}`, "ostree-remote:fedora", Signature{OstreeRemote, "fedora"}},
		{`{"ostreeRemote":""}`, "ostree-remote:", Signature{OstreeRemote, ""}},
		{`"containerPolicy"`, "container-policy", Signature{ContainerPolicy, ""}},
		{`"insecure"`, "insecure", Signature{Insecure, ""}},
	} {
		var got Signature
		if err := json.Unmarshal([]byte(c.text), &got); err != nil || got != c.want {
			t.Errorf("%s: %v, %v", c.text, got, err)
		}
		if text := got.String(); text != c.human {
			t.Errorf("%s: %s for humans", c.text, text)
		}
		if text, err := json.Marshal(got); err != nil || string(text) != c.text {
			t.Errorf("%s: written as %s, %v", c.text, text, err)
		}
	}
	for _, text := range []string{`"ostreeRemote"`, `"x"`, `{}`, `{"x":"y"}`, `{"ostreeRemote":null}`, `{"ostreeRemote":1}`, `1`, `[]`, `""`} {
		if err := json.Unmarshal([]byte(text), new(Signature)); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}

// What another bootc wrote: an older version of the document, a time without
// quotes, keys that are gone and keys that are new, none that have defaults.
func TestDecodeForeign(t *testing.T) {
	t.Parallel()
	const text = `
apiVersion: org.containers.bootc/v1alpha1
kind: BootcHost
metadata: {name: host, labels: {a: b}}
spec:
  image: {image: quay.io/acme/os:44, transport: registry, signature: {ostreeRemote: acme}}
status:
  booted:
    image:
      version: "20261230.1"
      image: {image: quay.io/acme/os:44, transport: registry}
      timestamp: 2023-12-30T16:10:11Z
      imageDigest: sha256:abc
      architecture: s390x
    incompatible: false
    pinned: true
    store: ostreeContainer
    ostree: {checksum: 41af, deploySerial: 4294967295, stateroot: default}
  isContainer: false
  madeLater: [1]
`
	got, err := Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := &Host{
		APIVersion: "org.containers.bootc/v1alpha1", Kind: "BootcHost", Metadata: Metadata{Name: "host", Labels: map[string]string{"a": "b"}},
		Spec: Spec{
			Image:     &ImageReference{Image: "quay.io/acme/os:44", Transport: "registry", Signature: &Signature{OstreeRemote, "acme"}},
			BootOrder: BootDefault,
		},
		Status: Status{Booted: &BootEntry{
			Image: &ImageStatus{
				Image: ImageReference{Image: "quay.io/acme/os:44", Transport: "registry"}, Version: new("20261230.1"),
				Timestamp: new(time.Date(2023, 12, 30, 16, 10, 11, 0, time.UTC)), ImageDigest: "sha256:abc", Architecture: "s390x",
			},
			Pinned: true, Store: new("ostreeContainer"),
			Ostree: &OstreeStatus{Checksum: "41af", DeploySerial: 4294967295, Stateroot: "default"},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"", "apiVersion"},
		{`{"apiVersion":"v2","kind":"BootcHost"}`, `apiVersion is "v2"`},
		{`{"apiVersion":"org.containers.bootc/v1","kind":"Pod"}`, `kind is "Pod"`},
		{`{"apiVersion":"org.containers.bootc/v1","kind":"BootcHost","spec":{"bootOrder":"x"}}`, `bootOrder is "x"`},
		{`{"apiVersion":"org.containers.bootc/v1","kind":"BootcHost","status":{"booted":{"image":{"timestamp":"x"}}}}`, "x"},
		{`{"apiVersion":"org.containers.bootc/v1","kind":"BootcHost","spec":{"image":{"signature":"x"}}}`, `unknown signature "x"`},
		{"{", "line"},
	} {
		_, err := Decode([]byte(c.text))
		if err == nil || !strings.HasPrefix(err.Error(), "cannot read the status document: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.text, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	// Short ones: the fuzzer spends its time on shortening long ones.
	const head = `{"apiVersion":"org.containers.bootc/v1","kind":"BootcHost",`
	f.Add([]byte(head + `"spec":{"image":{"image":"a","transport":"oci","signature":{"ostreeRemote":"b"}}}}`))
	f.Add([]byte(head + `"status":{"booted":{"image":{"version":"1","timestamp":"2026-09-01T10:00:00Z"},"pinned":true}}}`))
	f.Add([]byte(head + `"status":{"booted":{},"staged":{"composefs":{"verity":"a"}},"usrOverlay":{}}}`))
	f.Add([]byte("apiVersion: org.containers.bootc/v1\nkind: BootcHost\nstatus: {otherDeployments: [{ostree: {}}]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := Decode(data)
		if err != nil {
			return
		}
		once, err := h.JSON()
		if err != nil {
			return // a time with an offset that RFC 3339 does not have
		}
		again, err := Decode(once)
		if err != nil {
			t.Fatalf("%s: %v", once, err)
		}
		if twice, err := again.JSON(); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%s becomes %s, %v", once, twice, err)
		}
		if err := h.WriteHuman(&bytes.Buffer{}, HumanOptions{Verbose: true}); err != nil {
			t.Fatal(err)
		}
	})
}
