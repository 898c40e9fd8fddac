package image

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/internal/mounts"
	"github.com/bootc-go/bootc/internal/progress"
)

// Store is a containers-storage in a file system of its own, for podman to use as an
// additional image store. It is of the overlay driver.
//
// The library wants the store at a path, and mounts. So a process of its own works on
// it, with the file system mounted where nobody else sees it.
type Store struct {
	// Mount makes a writable mount of the file system that is attached nowhere.
	Mount   func() (*mounts.View, error)
	Dir     string // the store's directory in it, which is made if need be
	Options Options

	// Local takes images from the containers-storage of the system that runs, not from
	// registries. They were judged by the signature policy when they came there.
	Local bool
}

// ErrNotStored means that an image is not in the containers-storage of this system.
var ErrNotStored = errors.New("not in containers-storage of this system")

// Pull gets those of the images, given by name as podman takes them, that are not there.
// An image that is there is taken as it is, whatever its tag leads to by now. What fails
// for a passing reason is tried again. When it returns, the images are durable; after an
// error those before the one that failed are there, too.
func (s Store) Pull(ctx context.Context, names []string) error {
	for _, name := range names {
		if _, err := New(registryTransport, name); err != nil {
			return err
		}
	}
	_, err := s.work(ctx, storeRequest{Pull: names})
	return err
}

// StoreNeed is what Pull would do about an image.
type StoreNeed struct {
	Name  string
	Here  bool  // it is there, and is left alone
	Bytes int64 // of layers that would be fetched, but for those that an image before it has
}

// Need is what Pull would do about each of the images, as far as their manifests tell:
// layers count as they come, compressed or not. It fetches the manifests of those that are
// not there, and writes nothing.
func (s Store) Need(ctx context.Context, names []string) ([]StoreNeed, error) {
	if len(names) == 0 {
		return nil, nil
	}
	res, err := s.work(ctx, storeRequest{Need: names})
	if err != nil {
		return nil, err
	}
	return res.Need, nil
}

// Check finds out whether the images are where Pull takes them from, as far as that can
// be told without fetching: for Local only.
func (s Store) Check(ctx context.Context, names []string) error {
	if !s.Local || len(names) == 0 {
		return nil
	}
	_, err := s.work(ctx, storeRequest{Check: names})
	return err
}

// Prune removes the images that have none of the names, and returns the names that it
// removed, or the ids of images without one. With dryRun it removes nothing.
func (s Store) Prune(ctx context.Context, keep []string, dryRun bool) (removed []string, err error) {
	res, err := s.work(ctx, storeRequest{Prune: true, Keep: keep, DryRun: dryRun})
	if err != nil {
		return nil, err
	}
	return res.Removed, nil
}

// storeRequest is what the worker reads.
type storeRequest struct {
	Dir     string // the store
	Run     string // a directory for this run
	Place   string // where to mount what is on storeMountFD; "" for nothing
	Options storeOptions
	Local   bool

	Pull, Check, Need []string
	Prune             bool
	Keep              []string
	DryRun            bool
}

// storeOptions are those of Options that another process can be given.
type storeOptions struct {
	Root, OS, Arch, Variant                                   string
	PolicyPath, AuthFile                                      string
	RegistriesConf, RegistriesConfDir, RegistriesDir, CertDir string
	InsecureTLS                                               bool
	UserAgent                                                 string
	Attempts                                                  int
	Base, Max, Obey, Stall                                    time.Duration
}

func (o Options) forWorker() storeOptions {
	return storeOptions{
		Root: o.Root, OS: o.OS, Arch: o.Arch, Variant: o.Variant,
		PolicyPath: o.PolicyPath, AuthFile: o.AuthFile, RegistriesConf: o.RegistriesConf,
		RegistriesConfDir: o.RegistriesConfDir, RegistriesDir: o.RegistriesDir, CertDir: o.CertDir,
		InsecureTLS: o.InsecureTLS, UserAgent: o.UserAgent,
		Attempts: o.Retry.Attempts, Base: o.Retry.Base, Max: o.Retry.Max, Obey: o.Retry.Obey, Stall: o.Retry.Stall,
	}
}

func (o storeOptions) options(report progress.Func) Options {
	return Options{
		Root: o.Root, OS: o.OS, Arch: o.Arch, Variant: o.Variant,
		PolicyPath: o.PolicyPath, AuthFile: o.AuthFile, RegistriesConf: o.RegistriesConf,
		RegistriesConfDir: o.RegistriesConfDir, RegistriesDir: o.RegistriesDir, CertDir: o.CertDir,
		InsecureTLS: o.InsecureTLS, UserAgent: o.UserAgent, Progress: report,
		Retry: Retry{Attempts: o.Attempts, Base: o.Base, Max: o.Max, Obey: o.Obey, Stall: o.Stall},
	}
}

// storeReply is a line that the worker writes: any number of events, then a result.
type storeReply struct {
	Event   *progress.Event `json:",omitempty"`
	Result  bool            `json:",omitempty"`
	Removed []string        `json:",omitempty"`
	Need    []StoreNeed     `json:",omitempty"`
	Error   string          `json:",omitempty"`
	Kind    string          `json:",omitempty"` // which of storeErrors it is
}

// storeErrors are what callers branch on.
var storeErrors = map[string]error{
	"not-stored": ErrNotStored, "signature": ErrSignature, "unauthorized": ErrUnauthorized, "not-found": ErrNotFound,
	"unreachable": ErrUnreachable, "unavailable": ErrUnavailable, "no-space": unix.ENOSPC,
}

// storeError is an error of the worker.
type storeError struct {
	text string
	kind error
}

func (e *storeError) Error() string { return e.text }
func (e *storeError) Unwrap() error { return e.kind }

// work has the worker do the request.
func (s Store) work(ctx context.Context, req storeRequest) (*storeReply, error) {
	var mount *os.File
	if len(req.Check) == 0 {
		view, err := s.Mount()
		if err != nil {
			return nil, fmt.Errorf("mount the store's file system: %w", err)
		}
		defer view.Close()
		mount = view.Mount
	}
	run, err := os.MkdirTemp("/run", ".bootc-store-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(run) //nolint:errcheck // in /run, and of no harm
	req.Run, req.Place = run+"/run", run+"/root"
	for _, dir := range []string{req.Run, req.Place} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, err
		}
	}
	req.Dir, req.Local, req.Options = req.Place+"/"+s.Dir, s.Local, s.Options.forWorker()
	return s.start(ctx, mount, req)
}

// start starts the worker and listens to it. Its standard input stays open until it
// is done, or the context has ended: then, or when this process dies, it stops.
func (s Store) start(ctx context.Context, mount *os.File, req storeRequest) (*storeReply, error) {
	cmd := exec.Command("/proc/self/exe") //nolint:noctx // it is asked to stop, not killed
	cmd.Args = []string{storeWorkerName}
	if mount != nil {
		cmd.ExtraFiles = []*os.File{mount}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Setpgid: true}
	var noise tail
	cmd.Stderr = &noise
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the process that works on the images' store: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { stdin.Close() })
	defer stop()
	err = json.NewEncoder(stdin).Encode(req)
	var res *storeReply
	if err == nil {
		res, err = s.listen(stdout)
	}
	stdin.Close()
	werr := cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case res == nil:
		return nil, fmt.Errorf("the process that works on the images' store ended early (%w): %s", errors.Join(err, werr), noise.line())
	case res.Error != "":
		return nil, &storeError{text: res.Error, kind: storeErrors[res.Kind]}
	}
	return res, nil
}

// listen passes events on until the result comes.
func (s Store) listen(r io.Reader) (*storeReply, error) {
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		var reply storeReply
		if err := json.Unmarshal(sc.Bytes(), &reply); err != nil {
			return nil, err
		}
		if reply.Event != nil {
			s.Options.Progress.Report(*reply.Event)
		}
		if reply.Result {
			return &reply, nil
		}
	}
	return nil, sc.Err()
}

// tail keeps the end of what is written to it.
type tail struct{ data []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p...)
	if n := len(t.data) - 4096; n > 0 {
		t.data = bytes.Clone(t.data[n:])
	}
	return len(p), nil
}

// line is the last line.
func (t *tail) line() string {
	text := strings.TrimSpace(string(t.data))
	return text[strings.LastIndexByte(text, '\n')+1:]
}
