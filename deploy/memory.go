package deploy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/internal/atomicfile"
)

// memory is the file state/bootc/boots.json: how the boots of deployments on trial
// ended, which images were given up for it, and what a shutdown could not apply. It is
// replaced as a whole, by whoever holds the lock. Each of its objects keeps the keys that
// it does not know.
type memory struct {
	Trials []trial  `json:"trials,omitempty"`
	Failed []Failed `json:"failed,omitempty"`
	Missed *Missed  `json:"missed,omitempty"`
	more   unknown
}

// trial is what is known of a deployment whose boots are counted.
type trial struct {
	ID    verity.Digest `json:"deployment"`
	Boots []trialBoot   `json:"boots"`
	more  unknown
}

// trialBoot is one boot that got as far as userspace.
type trialBoot struct {
	ID      string    `json:"bootId"`
	Started time.Time `json:"started"`
	Passed  bool      `json:"passed,omitempty"` // all checks; it is a good one, whatever happens from here on
	Reason  string    `json:"reason,omitempty"` // why it was ended; empty if it ended in nobody's presence
	Output  string    `json:"output,omitempty"` // of the check that failed
	more    unknown
}

// Failed is an image that was given up, and is not installed again until it is forgiven.
type Failed struct {
	ID       verity.Digest `json:"deployment"`
	Digest   digest.Digest `json:"imageDigest"` // of the manifest; empty if it is not known
	Image    string        `json:"image,omitempty"`
	Version  string        `json:"version,omitempty"`
	Reason   string        `json:"reason"`
	Output   string        `json:"output,omitempty"` // of the check that failed, its end
	Tries    uint          `json:"tries"`            // that were made, as the loader counted
	Boots    []string      `json:"bootIds,omitempty"`
	Started  *time.Time    `json:"firstBoot,omitempty"`
	Recorded time.Time     `json:"recorded"`
	more     unknown
}

const (
	memoryDir  = "state/bootc"
	memoryName = "boots.json"
	maxMemory  = 1 << 20 // bytes
	// maxFailed is how many failures are remembered: the newest.
	maxFailed = 20
	// maxOutput is how much of a check's output is kept, in bytes.
	maxOutput = 4 << 10
)

// memory reads the file; a missing one is empty. What cannot be read is empty, too, and
// comes with an error: a host must come up without it.
func (s *Sysroot) memory() (memory, error) {
	root, err := os.OpenRoot(fdPath(s.sys.Root))
	if err != nil {
		return memory{}, err
	}
	defer root.Close()
	data, err := readSmall(root, memoryDir+"/"+memoryName, maxMemory)
	if errors.Is(err, fs.ErrNotExist) {
		return memory{}, nil
	}
	var m memory
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	if err != nil {
		return memory{}, fmt.Errorf("%s/%s: %w", memoryDir, memoryName, err)
	}
	return m, nil
}

// memoryOrWarn is memory where a damaged file is no reason to stop.
func (s *Sysroot) memoryOrWarn() memory {
	m, err := s.memory()
	if err != nil {
		s.warn("%v", err)
	}
	return m
}

func (s *Sysroot) writeMemory(m memory) error {
	if n := len(m.Failed) - maxFailed; n > 0 {
		m.Failed = m.Failed[n:]
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(fdPath(s.sys.Root))
	if err != nil {
		return err
	}
	defer root.Close()
	if err := makeDirs(root, memoryDir); err != nil {
		return err
	}
	dir, err := root.Open(memoryDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return atomicfile.WriteFile(dir, memoryName, append(data, '\n'), 0o600)
}

// trial finds what is known of a deployment's boots; a zero one knows nothing.
func (m *memory) trial(id verity.Digest) trial {
	i := slices.IndexFunc(m.Trials, func(t trial) bool { return t.ID == id })
	if i < 0 {
		return trial{ID: id}
	}
	return m.Trials[i]
}

// setTrial replaces it.
func (m *memory) setTrial(t trial) {
	m.dropTrial(t.ID)
	m.Trials = append(m.Trials, t)
}

func (m *memory) dropTrial(id verity.Digest) {
	m.Trials = slices.DeleteFunc(slices.Clone(m.Trials), func(t trial) bool { return t.ID == id })
}

// passed reports whether a boot passed all checks.
func (t trial) passed() bool {
	return slices.ContainsFunc(t.Boots, func(b trialBoot) bool { return b.Passed })
}

// boot is the boot with that id, and whether it is known.
func (t trial) boot(id string) (trialBoot, bool) {
	i := slices.IndexFunc(t.Boots, func(b trialBoot) bool { return b.ID == id })
	if i < 0 {
		return trialBoot{}, false
	}
	return t.Boots[i], true
}

// setBoot replaces a boot, or adds it.
func (t *trial) setBoot(b trialBoot) {
	t.Boots = slices.Clone(t.Boots)
	if i := slices.IndexFunc(t.Boots, func(old trialBoot) bool { return old.ID == b.ID }); i >= 0 {
		t.Boots[i] = b
		return
	}
	t.Boots = append(t.Boots, b)
}

// failed finds the failure of an image.
func (m memory) failed(d digest.Digest) (Failed, bool) {
	i := slices.IndexFunc(m.Failed, func(f Failed) bool { return f.Digest != "" && f.Digest == d })
	if i < 0 {
		return Failed{}, false
	}
	return m.Failed[i], true
}

// setFailed remembers a failure, in the place of an older one of the same image. One
// of the same deployment that is recorded already stays: it was written nearer to the
// event.
func (m *memory) setFailed(f Failed) {
	m.Failed = slices.DeleteFunc(slices.Clone(m.Failed), func(old Failed) bool { return old.Digest == f.Digest && old.ID == f.ID })
	m.Failed = append(m.Failed, f)
}

// forgive forgets the failures of an image.
func (m *memory) forgive(d digest.Digest) {
	m.Failed = slices.DeleteFunc(slices.Clone(m.Failed), func(f Failed) bool { return f.Digest == d })
}
