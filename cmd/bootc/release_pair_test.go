package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"sigs.k8s.io/yaml"

	"github.com/bootc-go/bootc/bootloader"
)

// A pair is the last release and these sources.
type pair struct {
	last      string          // the last release's program
	lastFirst bool            // it is the one, and installs; else it is the other
	programs  string          // a directory with the programs "one" and "other"
	keys      map[string]bool // of the status document, that both know
}

func newPair(t *testing.T, last string, lastFirst bool) *pair {
	t.Helper()
	p := &pair{last: last, lastFirst: lastFirst, programs: t.TempDir()}
	dir := filepath.Join(p.programs, "last")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(last, filepath.Join(dir, "bootc")); err != nil {
		t.Fatal(err)
	}
	checkDifferent(t, last)
	one, other := "exec bootc", "PATH="+dir+":$PATH\nexec "+dir+"/bootc"
	if lastFirst {
		one, other = other, one
	}
	for name, command := range map[string]string{"one": one, "other": other} {
		text := "#!/bin/sh\n" + command + " \"$@\"\n"
		if err := os.WriteFile(filepath.Join(p.programs, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p.keys = statusKeys(t, filepath.Join(p.programs, "one"))
	others := statusKeys(t, filepath.Join(p.programs, "other"))
	maps.DeleteFunc(p.keys, func(key string, _ bool) bool { return !others[key] })
	return p
}

// checkDifferent ends the test if the last release is the very program that runs.
func checkDifferent(t *testing.T, last string) {
	t.Helper()
	this, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	mine, err := os.ReadFile(this)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(mine, theirs) {
		t.Fatalf("%s is this very program, not the last release", last)
	}
}

// statusKeys are the keys that a program's status document can have, by its schema.
func statusKeys(t *testing.T, program string) map[string]bool {
	t.Helper()
	out, err := exec.Command(program, "internals", "print-json-schema", "--of", "host").Output()
	var schema any
	if err == nil {
		err = json.Unmarshal(out, &schema)
	}
	if err != nil {
		t.Fatalf("schema of %s: %v", program, err)
	}
	keys := map[string]bool{}
	addProperties(keys, schema)
	return keys
}

func addProperties(keys map[string]bool, schema any) {
	switch schema := schema.(type) {
	case []any:
		for _, v := range schema {
			addProperties(keys, v)
		}
	case map[string]any:
		properties, _ := schema["properties"].(map[string]any)
		for key := range properties {
			keys[key] = true
		}
		for _, v := range schema {
			addProperties(keys, v)
		}
	}
}

// commands are those of [fixtures], but for:
//
//	install REF    a host in $HOST that the one installed
//
// and besides:
//
//	agree          both programs print the same status, as far as both know its keys
//	formats        both print it in all formats, and complain of nothing
//	healthy        neither finds garbage or damage
func (p *pair) commands(kind bootloader.Kind) map[string]func(*testscript.TestScript, bool, []string) {
	cmds := fixtures()
	install := cmds["install"]
	cmds["install"] = func(ts *testscript.TestScript, neg bool, args []string) {
		if !p.lastFirst {
			install(ts, neg, []string{string(kind), args[0]})
			return
		}
		ts.Check(p.installLast(ts.MkAbs("install"), ts.Getenv("HOST"), kind, args[0]))
	}
	cmds["agree"] = func(ts *testscript.TestScript, _ bool, _ []string) {
		one, other := p.status(ts, "one", "json"), p.status(ts, "other", "json")
		if d := cmp.Diff(one, other); d != "" {
			ts.Fatalf("the status of the one (-) and of the other (+) differ:\n%s", d)
		}
	}
	cmds["formats"] = func(ts *testscript.TestScript, _ bool, _ []string) {
		for _, program := range []string{"one", "other"} {
			if d := cmp.Diff(p.status(ts, program, "json"), p.status(ts, program, "yaml")); d != "" {
				ts.Fatalf("the status of the %s differs, as JSON (-) and as YAML (+):\n%s", program, d)
			}
			ts.Check(ts.Exec(program, "status", "--format=humanreadable", "--verbose"))
			ts.Check(quiet(ts))
		}
	}
	cmds["healthy"] = func(ts *testscript.TestScript, _ bool, _ []string) {
		for _, program := range []string{"one", "other"} {
			ts.Check(ts.Exec(program, "internals", "composefs-gc", "--assert-no-op"))
			ts.Check(ts.Exec(program, "internals", "fsck"))
		}
	}
	return cmds
}

// installLast has the last release install a host: its program is a test binary, and its
// TestScripts runs what is in testdata.
func (p *pair) installLast(dir, host string, kind bootloader.Kind, ref string) error {
	if err := os.MkdirAll(filepath.Join(dir, "testdata"), 0o755); err != nil {
		return err
	}
	script := fmt.Sprintf("env HOST=%s\ninstall %s %s\n", host, kind, ref)
	if err := os.WriteFile(filepath.Join(dir, "testdata/install.txtar"), []byte(script), 0o644); err != nil {
		return err
	}
	cmd := exec.Command(p.last, "-test.v", "-test.run=^TestScripts$")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err == nil && !bytes.Contains(out, []byte("--- PASS: TestScripts/install")) {
		err = errors.New("its TestScripts ran no script")
	}
	if err != nil {
		return fmt.Errorf("cannot install with the last release: %w\n%s", err, out)
	}
	return nil
}

// status is what a program says of the host, with the keys that both know.
func (p *pair) status(ts *testscript.TestScript, program, format string) any {
	ts.Check(ts.Exec(program, "status", "--format="+format))
	ts.Check(quiet(ts))
	var doc any
	ts.Check(yaml.Unmarshal([]byte(ts.ReadFile("stdout")), &doc)) // JSON is YAML
	return only(doc, p.keys)
}

// quiet returns an error if the last command complained of anything.
func quiet(ts *testscript.TestScript) error {
	if text := ts.ReadFile("stderr"); text != "" {
		return fmt.Errorf("it complains: %s", text)
	}
	return nil
}

// only is a document without what stands below other keys.
func only(doc any, keys map[string]bool) any {
	switch doc := doc.(type) {
	case []any:
		out := []any{}
		for _, v := range doc {
			out = append(out, only(v, keys))
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for key, v := range doc {
			if keys[key] {
				out[key] = only(v, keys)
			}
		}
		return out
	}
	return doc
}
