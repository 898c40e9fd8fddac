package bootloader

import (
	"slices"
	"testing"

	"github.com/bootc-go/bootc/bootloader/bls"
	"github.com/bootc-go/bootc/kargs"
)

// TestSources: what a source puts in is what goes with it, and nothing else.
func TestSources(t *testing.T) {
	t.Parallel()
	first := Entry{Options: kargs.Parse("root=x quiet a=1"), Extra: []bls.Field{{Key: "machine-id", Value: "1"}}}
	for _, step := range []struct {
		do   func(Entry) Entry
		want string
		keys []string
	}{
		{func(e Entry) Entry { return e.WithSource("t", kargs.Parse("quiet b")) }, "root=x quiet a=1 quiet b", []string{"t"}},
		{func(e Entry) Entry { return e.WithSource("u", kargs.Parse("c=2")) }, "root=x quiet a=1 quiet b c=2", []string{"t", "u"}},
		{func(e Entry) Entry { return e.WithSource("t", kargs.Parse("b d")) }, "root=x quiet a=1 c=2 b d", []string{"t", "u"}},
		{func(e Entry) Entry { return e.WithSource("t", nil) }, "root=x quiet a=1 c=2", []string{"t", "u"}},
		{func(e Entry) Entry { return e.WithoutSource("u") }, "root=x quiet a=1", []string{"t"}},
		{func(e Entry) Entry { return e.WithoutSource("none") }, "root=x quiet a=1", []string{"t"}},
		{func(e Entry) Entry { return e.WithoutSource("t") }, "root=x quiet a=1", nil},
	} {
		before := first.Options.String()
		next := step.do(first)
		if next.Options.String() != step.want || !slices.Equal(next.Sources(), step.keys) {
			t.Errorf("got %q of %q, want %q of %q", next.Options, next.Sources(), step.want, step.keys)
		}
		if first.Options.String() != before || next.Extra[0].Key != "machine-id" {
			t.Error("something else was changed")
		}
		first = next
	}
}
