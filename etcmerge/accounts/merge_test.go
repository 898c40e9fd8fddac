package accounts_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/bootc-go/bootc/etcmerge/accounts"
)

// TestMerge runs the cases of testdata/merge: for each of the three states the
// files that there are, what must come out, and the notes.
func TestMerge(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/merge/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			states := map[string]accounts.Files{}
			wantNotes := ""
			for _, f := range archive.Files {
				state, name, ok := strings.Cut(f.Name, "/")
				if !ok {
					wantNotes = string(f.Data)
					continue
				}
				if states[state] == nil {
					states[state] = accounts.Files{}
				}
				states[state][name] = f.Data
			}
			got, notes := accounts.Merge(states["pristine"], states["current"], states["new"])
			if d := cmp.Diff(texts(states["want"]), texts(got)); d != "" {
				t.Errorf("merged (-want +got):\n%s", d)
			}
			if d := cmp.Diff(wantNotes, sentences(notes)); d != "" {
				t.Errorf("notes (-want +got):\n%s", d)
			}
		})
	}
}

func texts(files accounts.Files) map[string]string {
	out := map[string]string{}
	for name, data := range files {
		out[name] = string(data)
	}
	return out
}

func sentences(notes []accounts.Note) string {
	var out strings.Builder
	for _, n := range notes {
		out.WriteString(n.File + ": " + n.Text + "\n")
	}
	return out.String()
}
