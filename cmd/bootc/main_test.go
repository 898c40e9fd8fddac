package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/image/registrytest"

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

// scriptRegistry has app/db:v1, app/web:v1 and app/huge:v1, a layer of which claims to be
// of a petabyte.
func scriptRegistry(t *testing.T) *registrytest.Registry {
	t.Helper()
	reg := registrytest.New(t)
	for _, name := range []string{"db", "web", "huge"} {
		built := registrytest.Build(t, registrytest.Image{Layers: []registrytest.Layer{
			{Entries: []registrytest.Entry{registrytest.File("app/what", name)}, Compression: registrytest.Gzip},
		}})
		reg.Push("app/"+name, "v1", built)
		if name != "huge" {
			continue
		}
		size := fmt.Sprintf(`"size":%d`, built.Layers[0].Size)
		if !strings.Contains(string(built.Manifest), size) {
			t.Fatalf("no %s in %s", size, built.Manifest)
		}
		huge := strings.Replace(string(built.Manifest), size, fmt.Sprintf(`"size":%d`, 1<<50), 1)
		reg.AddManifest("app/huge", "v1", built.Descriptor.MediaType, []byte(huge))
	}
	return reg
}

// Scripts that set $HOST run on the host in that directory. $REGISTRY is where
// scriptRegistry listens.
func TestScripts(t *testing.T) {
	reg := scriptRegistry(t)
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
			ts.Setenv("REGISTRY", reg.Addr())
			return err
		},
	})
}
