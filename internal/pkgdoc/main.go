// Command pkgdoc writes docs/reference/packages.md: every package of the module,
// what it is for in the first sentence of its documentation, and what it imports
// of this module. The figures are the go command's, so that the page cannot
// differ from the code.
//
//	go run ./internal/pkgdoc FILE
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/doc"
	"io"
	"os"
	"os/exec"
	"path"
	"strings"
)

//go:generate go run . ../../docs/reference/packages.md

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pkgdoc:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("want one argument, the file to write")
	}
	packages, err := list(ctx)
	if err != nil {
		return err
	}
	text, err := page(packages)
	if err != nil {
		return err
	}
	return os.WriteFile(args[0], text, 0o644)
}

// pkg is what "go list -json" says of a package, as far as it matters here.
type pkg struct {
	ImportPath string
	Name       string
	Doc        string
	Imports    []string
	Module     struct{ Path string }
}

// list returns the packages of the module, sorted by path.
func list(ctx context.Context) ([]pkg, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-json=ImportPath,Name,Doc,Imports,Module", modulePattern)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var packages []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		packages = append(packages, p)
	}
}

// modulePattern are all packages of this module, wherever in it we run.
const modulePattern = "github.com/bootc-go/bootc/..."

// page is the Markdown.
func page(packages []pkg) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# Packages\n\nMade by `make generate`; do not edit. Imports only go down, see\n" +
		"[the architecture](../explanation/architecture.md).\n\n| package | what it is | imports of this module |\n|---|---|---|\n")
	var undocumented []error
	for _, p := range packages {
		if p.Doc == "" {
			undocumented = append(undocumented, fmt.Errorf("%s has no package documentation", p.ImportPath))
			continue
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", p.short(p.ImportPath), p.synopsis(), p.own())
	}
	return b.Bytes(), errors.Join(undocumented...)
}

// short is an import path without the module's.
func (p pkg) short(importPath string) string {
	return strings.TrimPrefix(importPath, p.Module.Path+"/")
}

// synopsis is the first sentence without "Package x is": as a table wants it.
func (p pkg) synopsis() string {
	s := new(doc.Package).Synopsis(p.Doc)
	s = strings.TrimPrefix(s, "Package "+p.Name+" ")
	s = strings.TrimPrefix(s, "Command "+path.Base(p.ImportPath)+" ")
	return strings.NewReplacer("|", `\|`, "[", "`", "]", "`").Replace(strings.TrimSuffix(s, "."))
}

// own lists the imports of this module, shortened.
func (p pkg) own() string {
	var own []string
	for _, imported := range p.Imports {
		if strings.HasPrefix(imported, p.Module.Path+"/") {
			own = append(own, "`"+p.short(imported)+"`")
		}
	}
	return strings.Join(own, ", ")
}
