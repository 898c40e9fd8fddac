package main

import (
	"strings"
	"testing"
)

func TestPage(t *testing.T) {
	p := pkg{ImportPath: "example.org/m/a/b", Name: "b", Doc: "Package b is a | b. And more.", Imports: []string{"fmt", "example.org/m/c"}}
	p.Module.Path = "example.org/m"
	text, err := page([]pkg{p})
	if err != nil {
		t.Fatal(err)
	}
	if want := "| `a/b` | is a \\| b | `c` |\n"; !strings.HasSuffix(string(text), want) {
		t.Errorf("the page ends differently from %q:\n%s", want, text)
	}
	p.Doc = ""
	if _, err := page([]pkg{p}); err == nil || !strings.Contains(err.Error(), "example.org/m/a/b has no") {
		t.Errorf("a package without documentation: %v", err)
	}
}
