package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// choice is a flag whose value is one of a few words. What it accepts, what its usage
// lists and what shells complete come from here.
type choice struct {
	*cli.StringFlag
	words  []string
	silent []string // are accepted as well: other names, and what is refused with a reason

	refusal string // of another word, if there is a better one; it has the word at %s
}

// newChoice makes a choice. A usage that ends in a colon gets the words behind it; one
// word of it in backquotes says what they are.
func newChoice(name, usage, def string, words ...string) *choice {
	if strings.HasSuffix(usage, ":") {
		usage += " " + alternatives(words)
	}
	x := &choice{StringFlag: &cli.StringFlag{Name: name, Usage: usage, Value: def}, words: words}
	x.Action = func(c *cli.Context, value string) error {
		if slices.Contains(x.words, value) || slices.Contains(x.silent, value) {
			return nil
		}
		if x.refusal != "" {
			return usageError(c, x.refusal, value)
		}
		what, _ := valueName(usage)
		return usageError(c, "--%s: unknown %s %q (want %s)", name, strings.ToLower(what), value, alternatives(words))
	}
	return x
}

// also has x accept more words than it tells.
func (x *choice) also(words ...string) *choice {
	x.silent = words
	return x
}

// words are the values of a type of strings.
func words[T ~string](values []T) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}

// alternatives are the words in a sentence: "a, b or c".
func alternatives(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	last := len(words) - 1
	return fmt.Sprintf("%s or %s", strings.Join(words[:last], ", "), words[last])
}
