package deploy

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/composefs/verity"
)

// future is a boots.json of a later release, whose keys are called "future".
const future = `{
  "future": [1, {"a": "<&>"}],
  "trials": [{
    "deployment": "ID",
    "future": null,
    "boots": [{"bootId": "one", "started": "2026-01-02T03:04:05Z", "future": 1e3}]
  }],
  "failed": [{"deployment": "ID", "imageDigest": "", "reason": "bad", "tries": 1, "recorded": "2026-01-02T03:04:05Z", "future": {}}],
  "missed": {"deployment": "ID", "reason": "late", "recorded": "2026-01-02T03:04:05Z", "future": true}
}`

// TestMemoryKeepsWhatItDoesNotKnow, in each of its objects, when another boot is added.
func TestMemoryKeepsWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	id := verity.Sum(verity.SHA512, []byte("x"))
	text := strings.ReplaceAll(future, "ID", id.String())
	m.must(os.MkdirAll(m.path(memoryDir), 0o755))
	m.must(os.WriteFile(m.path(memoryDir, memoryName), []byte(text), 0o600))
	m.must(m.with(func(s *Sysroot) error {
		mem, err := s.memory()
		m.must(err)
		tr := mem.trial(id)
		b, _ := tr.boot("one")
		b.Passed = true
		tr.setBoot(b)
		tr.setBoot(trialBoot{ID: "two"})
		mem.setTrial(tr)
		return s.writeMemory(mem)
	}))
	data, err := os.ReadFile(m.path(memoryDir, memoryName))
	m.must(err)
	var got, want any
	m.must(json.Unmarshal(data, &got))
	text = strings.Replace(text, `"future": 1e3}`, `"passed": true, "future": 1e3}, {"bootId": "two", "started": "0001-01-01T00:00:00Z"}`, 1)
	m.must(json.Unmarshal([]byte(text), &want))
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestMarkerKeepsWhatItDoesNotKnow while the same deployment is staged, and not for the
// next one.
func TestMarkerKeepsWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	m, _ := fakeMachine(t, v("1"))
	name := m.runPath(markerDir, markerName)
	m.push(v("2"))
	m.mustUpgrade()
	text, err := os.ReadFile(name)
	m.must(err)
	m.must(os.WriteFile(name, []byte(strings.Replace(string(text), "{", `{"future":[1],`, 1)), 0o644))
	for i, change := range []func() error{
		func() error { return m.pin(m.booted.ID, true) },
		func() error { _, err := m.upgrade(StageOptions{DownloadOnly: true}); return err },
		func() error { return m.with(func(s *Sysroot) error { return s.Unlock(t.Context()) }) },
		func() error { _, err := m.setOptions("x", "y"); return err },
	} {
		m.must(change())
		if text, err := os.ReadFile(name); err != nil || !strings.Contains(string(text), `"future":[1]`) {
			t.Errorf("after change %d: %s, %v", i, text, err)
		}
	}
	m.push(v("3"))
	m.mustUpgrade()
	if text, err := os.ReadFile(name); err != nil || strings.Contains(string(text), "future") {
		t.Errorf("another deployment: %s, %v", text, err)
	}
}

// TestEncodeObject puts unknown keys behind the others, in order, and adds nothing where
// there are none. A key that differs in case only is one that Go's reader knows.
func TestEncodeObject(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{`{}`, `{"reason":""}`},
		{`{"reason":"x"}`, `{"reason":"x"}`},
		{`{"z":1,"Reason":"x","a":[ 2 ]}`, `{"reason":"x","a":[2],"z":1}`},
	} {
		var v struct {
			Reason string `json:"reason"`
			more   unknown
		}
		var err error
		if v.more, err = decodeObject([]byte(tt.text), &v); err != nil {
			t.Fatal(err)
		}
		if got, err := encodeObject(v, v.more); err != nil || string(got) != tt.want {
			t.Errorf("%s became %s, %v; want %s", tt.text, got, err, tt.want)
		}
	}
	if got, err := encodeObject(struct{}{}, unknown{"a": json.RawMessage("1")}); err != nil || string(got) != `{"a":1}` {
		t.Errorf("got %s, %v", got, err)
	}
}

// TestUnknownIsBounded: a marker with more that is not known than fits is written without it,
// and not larger than its reader takes.
func TestUnknownIsBounded(t *testing.T) {
	t.Parallel()
	for size, kept := range map[int]bool{100: true, maxUnknown: false, maxMarker - 100: false} {
		var m marker
		if err := json.Unmarshal(fmt.Appendf(nil, `{"depl_id": %q, "new": %q}`, strings.Repeat("0", 128), strings.Repeat("<", size)), &m); err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(m)
		if err != nil || len(data) > maxMarker || strings.Contains(string(data), `"new"`) != kept {
			t.Errorf("of %d bytes %d are written, %v", size, len(data), err)
		}
	}
}
