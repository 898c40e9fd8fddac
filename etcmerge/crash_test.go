package etcmerge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bootc-go/bootc/composefs/tree"
	"github.com/bootc-go/bootc/composefs/verity"
)

// scenario has every kind of step. It is made anew for each test, for looking at
// a tree may sort it.
func scenario() triple {
	x := specs(
		`{passwd:A gone:A gonedir:{f:A g:{h:A}} dir:{f:A g:B} tofile:{f:A} todir:A same:A link:L attrs:{} dropped:{f:A}}`,
		`{passwd:B new:A newdir:!{f:A g:{h:L}} dir:!{f:B g:B} tofile:A todir:{f:A} same:A link:M attrs:!{} fifo:F dropped:{f:B}}`,
		`{passwd:C gone:B gonedir:{f:B g:{h:B}} dir:{f:A g:C i:A} tofile:{f:A} todir:A same:B link:N attrs:{x:A} .updated:A}`,
		`{passwd:B new:>A newdir:>!{f:>A g:>{h:>L}} dir:>!{f:>B g:C i:A} tofile:>A todir:>{f:>A} same:B link:>M attrs:>!{x:A} fifo:>F dropped:>{f:>B}}`,
	)
	x.current.SetChild("newlink", x.current.Child("new"))
	x.want.SetChild("newlink", x.want.Child("new"))
	tree.SetLinks(x.current)
	x.want.Child("passwd").File = &tree.File{Size: 4, Inline: []byte("B\nC\n")} // lines that are no entries
	return x
}

// TestPowerCutAfterAnyStep stops after each number of steps, leaves rubbish, and
// begins again: with the same plan, and with one made of what it finds.
func TestPowerCutAfterAnyStep(t *testing.T) {
	t.Parallel()
	d := onDisk(t, scenario())
	plan := planOf(t, d)
	for op := opRemove; op <= opLink; op++ {
		if !slices.ContainsFunc(plan.steps, func(s step) bool { return s.op == op }) {
			t.Errorf("the scenario has no step of kind %d", op)
		}
	}
	want, err := Scan(t.Context(), d.want, verity.SHA512)
	must(t, err)
	for done := range len(plan.steps) + 1 {
		for _, anew := range []bool{false, true} {
			half, again := d, plan
			half.new = copyDir(t, d.new)
			interrupted(t, plan, half, done)
			if anew {
				again = planOf(t, half)
			}
			must(t, again.Apply(t.Context(), open(t, half.current), open(t, half.new)))
			got, err := Scan(t.Context(), half.new, verity.SHA512)
			must(t, err)
			for c := range tree.Diff(want, got) {
				if !anew || c.What != tree.MtimeAspect || !c.New.IsDir() { // it finds the time of the interruption
					t.Errorf("after %d steps: %s", done, c)
				}
			}
		}
	}
}

// interrupted does the first steps of a plan, and leaves what a power cut may
// leave.
func interrupted(t *testing.T, plan *Plan, d dirs, steps int) {
	t.Helper()
	a := &applier{ctx: t.Context(), current: newDir(int(open(t, d.current).Fd())), target: newDir(int(open(t, d.new).Fd())), work: -1}
	defer a.close()
	must(t, a.begin())
	must(t, a.do(plan.steps[:steps]))
	must(t, os.WriteFile(filepath.Join(d.new, workDir, "1"), []byte("half a fi"), 0o600))
	must(t, os.MkdirAll(filepath.Join(d.new, workDir, "2/a/b"), 0o700))
}

func copyDir(t testing.TB, dir string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "copy")
	if msg, err := exec.Command("cp", "-a", dir, out).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, msg)
	}
	return out
}

// childEnv tells the test binary to merge and be killed meanwhile.
const childEnv = "ETCMERGE_TEST_DIRS"

// TestKilledChild is the child of TestKilled.
func TestKilledChild(t *testing.T) {
	paths := strings.Split(os.Getenv(childEnv), ":")
	if len(paths) != 4 {
		return
	}
	plan := planOf(t, dirs{pristine: paths[0], current: paths[1], new: paths[2]})
	fmt.Println("ready")
	must(t, plan.Apply(t.Context(), open(t, paths[1]), open(t, paths[3])))
}

// TestKilled kills a process again and again while it merges one directory, at
// any instant, and lets the last one finish.
func TestKilled(t *testing.T) {
	t.Parallel()
	x := newTriple()
	for i := range 200 {
		x.set(fmt.Sprintf("d%d", i), spec("{f:A g:A}").parse(pristineTime), spec("!{f:B h:A}").parse(currentTime), spec("{f:A g:C}").parse(newTime), spec(">!{f:>B h:>A}").parse(newTime))
	}
	d := onDisk(t, x)
	target := copyDir(t, d.new)
	env := append(os.Environ(), childEnv+"="+strings.Join([]string{d.pristine, d.current, d.new, target}, ":"))
	killed := 0
	for range 25 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledChild$")
		cmd.Env = env
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
			t.Fatalf("the child says %q: %v", line, err)
		}
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		must(t, cmd.Process.Kill())
		if cmd.Wait() != nil {
			killed++
		}
	}
	if killed < 5 {
		t.Errorf("only %d of 25 were killed in time", killed)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledChild$")
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	sameListing(t, "merged at last", d.want, target)
}

// TestNoSpace fills the disk meanwhile. The error says so and of what, and with
// more space the same plan succeeds.
func TestNoSpace(t *testing.T) {
	t.Parallel()
	x := newTriple()
	x.set("big", nil, spec("A").parse(currentTime), nil, nil)
	d := onDisk(t, x)
	must(t, os.WriteFile(filepath.Join(d.current, "big"), make([]byte, 2<<20), 0o644))
	target := t.TempDir()
	must(t, unix.Mount("none", target, "tmpfs", 0, "size=1m"))
	t.Cleanup(func() { must(t, unix.Unmount(target, unix.MNT_DETACH)) })
	d.new = target
	plan := planOf(t, d)
	err := plan.Apply(t.Context(), open(t, d.current), open(t, target))
	if !errors.Is(err, unix.ENOSPC) || !strings.HasPrefix(err.Error(), "cannot merge /etc: big: ") {
		t.Fatalf("the error is %v", err)
	}
	must(t, unix.Mount("none", target, "tmpfs", unix.MS_REMOUNT, "size=8m"))
	must(t, plan.Apply(t.Context(), open(t, d.current), open(t, target)))
	if info, err := os.Stat(filepath.Join(target, "big")); err != nil || info.Size() != 2<<20 {
		t.Errorf("%v %v", info, err)
	}
}

// TestChangedMeanwhile changes current between plan and application. Nothing is
// written then.
func TestChangedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"content":  `printf Z >dir/f`,
		"mode":     `chmod 644 dir/f; chmod 604 dir/f`,
		"owner":    `chown 7 dir/f`,
		"removed":  `rm dir/f`,
		"link":     `rm dir/f; ln -s /etc/passwd dir/f`,
		"fifo":     `rm dir/f; mkfifo dir/f`,
		"parent":   `mv dir old; ln -s old dir`,
		"the link": `ln -sfn other link`,
		"account":  `echo x >>passwd`,
		"added":    `echo x >newdir/g/new`,
		"touched":  `printf Z >same`,
		"the top":  `chmod 700 .`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := onDisk(t, scenario())
			plan, before := planOf(t, d), copyDir(t, d.new)
			shell(t, d.current, script)
			err := plan.Apply(t.Context(), open(t, d.current), open(t, d.new))
			if !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "changed while it was read") {
				t.Errorf("the error is %v", err)
			}
			sameListing(t, "after the error", before, d.new)
		})
	}
}

// TestChangedAtTheLastMoment changes a file after all were looked at, before it
// is copied and while others are.
func TestChangedAtTheLastMoment(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"dir/f", "same", "passwd"} {
		d := onDisk(t, scenario())
		plan := planOf(t, d)
		a := &applier{ctx: t.Context(), current: newDir(int(open(t, d.current).Fd())), target: newDir(int(open(t, d.new).Fd())), work: -1}
		t.Cleanup(a.close)
		must(t, a.verify(plan.current))
		shell(t, d.current, `printf Z >`+name)
		must(t, a.begin())
		err := a.do(plan.steps)
		if err == nil {
			err = a.verify(plan.current)
		}
		if !errors.Is(err, ErrChanged) || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	d := onDisk(t, scenario())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := copyDir(t, d.new)
	if err := planOf(t, d).Apply(ctx, open(t, d.current), open(t, d.new)); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	sameListing(t, "after the error", before, d.new)
}

// TestNoWayOut plants symbolic links in the target, after the plan was made of
// it, wherever a step passes.
func TestNoWayOut(t *testing.T) {
	outside := t.TempDir()
	shell(t, outside, `mkdir g; echo canary >f; echo canary >h; echo canary >1; echo canary >x; touch -d @9 . g f h 1 x`)
	canary := copyDir(t, outside)
	for _, script := range []string{
		`rm -rf dir; ln -s "$OUT" dir`,
		`rm -rf gonedir; ln -s "$OUT" gonedir`,
		`rm -rf attrs; ln -s "$OUT" attrs`,
		`rm -rf todir; ln -s "$OUT" todir`,
		`rm -rf link; ln -s "$OUT/f" link`,
		`ln -s "$OUT" newdir; ln -s "$OUT" dropped`,
		`ln -s "$OUT/f" new; ln -s "$OUT/f" fifo`,
		`ln -s "$OUT" .bootc-etcmerge`,
		`rm .updated; ln -s "$OUT/f" .updated`,
	} {
		t.Run(script, func(t *testing.T) {
			d := onDisk(t, scenario())
			plan := planOf(t, d)
			shell(t, d.new, "OUT="+outside+"; "+script)
			// Whether it succeeds depends on the place; that is not the question.
			err := plan.Apply(t.Context(), open(t, d.current), open(t, d.new))
			t.Logf("the error is %v", err)
			if sameListing(t, "HOST PATH WAS CHANGED", canary, outside); t.Failed() {
				t.FailNow()
			}
		})
	}
}

// TestDirOpener reads below a directory and nowhere else.
func TestDirOpener(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	shell(t, dir, `mkdir d; echo x >d/f; ln -s d link; ln -s d/f flink; mkfifo fifo`)
	read := DirOpener(open(t, dir))
	r, err := read("d/f", nil)
	must(t, err)
	defer r.Close()
	if data, err := io.ReadAll(r); err != nil || string(data) != "x\n" {
		t.Errorf("read %q: %v", data, err)
	}
	for _, path := range []string{"link/f", "flink", "../" + filepath.Base(dir) + "/d/f", "/etc/passwd", "none"} {
		if r, err := read(path, nil); err == nil {
			r.Close()
			t.Errorf("%s was opened", path)
		}
	}
	if _, err := Scan(t.Context(), filepath.Join(dir, "none"), verity.SHA512); err == nil {
		t.Error("what is not there was read")
	}
}
