package bootloader

import (
	"slices"
	"strings"

	"github.com/bootc-go/bootc/bootloader/bls"
	"github.com/bootc-go/bootc/kargs"
)

// sourcePrefix begins the keys that say which kernel arguments of an entry belong to
// whom: "x-options-source-tuned isolcpus=1-3". They are among the options as well.
const sourcePrefix = "x-options-source-"

// Sources are the names of those who own kernel arguments of the entry.
func (e Entry) Sources() []string {
	var names []string
	for _, f := range e.Extra {
		if name, ok := strings.CutPrefix(f.Key, sourcePrefix); ok {
			names = append(names, name)
		}
	}
	return names
}

// Source is the kernel arguments that a source owns, and whether it is known at all: it
// may own none.
func (e Entry) Source(name string) (kargs.Line, bool) {
	i := slices.IndexFunc(e.Extra, func(f bls.Field) bool { return f.Key == sourcePrefix+name })
	if i < 0 {
		return nil, false
	}
	return kargs.Parse(e.Extra[i].Value), true
}

// WithSource is the entry with line in the place of what the source owned so far.
func (e Entry) WithSource(name string, line kargs.Line) Entry {
	was, known := e.Source(name)
	e.Options = withoutOnce(e.Options, was).With(line...)
	field := bls.Field{Key: sourcePrefix + name, Value: line.String()}
	e.Extra = slices.Clone(e.Extra)
	if known {
		i := slices.IndexFunc(e.Extra, func(f bls.Field) bool { return f.Key == field.Key })
		e.Extra[i] = field
	} else {
		e.Extra = append(e.Extra, field)
	}
	return e
}

// WithoutSource is the entry without the source and what it owned.
func (e Entry) WithoutSource(name string) Entry {
	was, _ := e.Source(name)
	e.Options = withoutOnce(e.Options, was)
	e.Extra = slices.DeleteFunc(slices.Clone(e.Extra), func(f bls.Field) bool { return f.Key == sourcePrefix+name })
	return e
}

// InheritSources says that of the entry's options those belong to somebody which do in
// from, where the options come from.
func (e Entry) InheritSources(from Entry) Entry {
	e.Extra = slices.Clone(e.Extra)
	for _, f := range from.Extra {
		if strings.HasPrefix(f.Key, sourcePrefix) {
			e.Extra = append(e.Extra, f)
		}
	}
	return e
}

// withoutOnce takes each argument away once, the last one of several: others may have
// put in the same.
func withoutOnce(line, gone kargs.Line) kargs.Line {
	line = slices.Clone(line)
	for _, a := range gone {
		for i, b := range slices.Backward(line) {
			if b.Equal(a) {
				line = slices.Delete(line, i, i+1)
				break
			}
		}
	}
	return line
}
