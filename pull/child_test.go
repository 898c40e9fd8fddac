package pull_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/bootc-go/bootc/composefs/oci"
	"github.com/bootc-go/bootc/composefs/repo"
	"github.com/bootc-go/bootc/pull"
)

// childEnv makes the test binary behave as the job in it says instead of running
// tests.
const childEnv = "PULL_TEST_CHILD"

// job is what another process does to a repository.
type job struct {
	Repo   string
	Root   string   // of the puller
	Steps  []string // "pull NAME TAG", "boot NAME TAG", "untag TAG", "gc"
	Repeat int      // of all steps
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err := runJob(ctx, text)
		stop()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func runJob(ctx context.Context, text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	for range max(j.Repeat, 1) {
		for _, step := range j.Steps {
			if err := j.run(ctx, step); err != nil {
				return fmt.Errorf("%s: %w", step, err)
			}
		}
	}
	return nil
}

// run opens the repository for one step, as a command does.
func (j job) run(ctx context.Context, step string) error {
	r, err := repo.Open(ctx, j.Repo, repo.OpenOptions{})
	if err != nil {
		return err
	}
	defer r.Close()
	var verb, name, tag string
	_, _ = fmt.Sscan(step, &verb, &name, &tag)
	switch verb {
	case "pull", "boot":
		p := &puller{repo: r, root: j.Root, retry: quick, opts: pull.Options{Bootable: verb == "boot"}}
		_, err = p.pull(ctx, name, tag)
	case "untag":
		err = oci.Untag(r, name)
	case "gc":
		_, err = r.GC(ctx, repo.GCOptions{})
	default:
		err = fmt.Errorf("unknown step")
	}
	return err
}

// start starts another process for the job. Its stderr is in the buffer when it
// has ended.
func (j job) start(t *testing.T) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	cmd.Dir = filepath.Dir(j.Repo)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, &stderr
}
