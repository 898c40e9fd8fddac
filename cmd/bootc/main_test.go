package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bootc-go/bootc/image"
)

func TestMain(m *testing.M) {
	if image.Reexec() {
		return
	}
	testscript.Main(m, map[string]func(){
		"bootc": func() {
			root := "/"
			if host := os.Getenv("HOST"); host != "" {
				root = host
			}
			e := &env{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, root: root, getenv: os.Getenv}
			os.Exit(run(context.Background(), e, os.Args))
		},
	})
}

// Scripts that set $HOST run on the host in that directory.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                fixtures(),
		Setup: func(ts *testscript.Env) error {
			// The oracles that make setup unpacks come before the system's.
			if tools := os.Getenv("BOOTC_TOOLS"); tools != "" {
				ts.Setenv("PATH", ts.Getenv("PATH")+string(os.PathListSeparator)+tools+"/bin")
			}
			docs, err := filepath.Abs("../../docs")
			ts.Setenv("DOCS", docs)
			return err
		},
	})
}
