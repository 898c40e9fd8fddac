package grubcfg

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// EnvSize is the size of GRUB's environment block in bytes. GRUB writes into the blocks
// that the file has and never makes it longer, and neither does anybody else.
const EnvSize = 1024

const envSignature = "# GRUB Environment Block\n"

// Env is GRUB's environment block, the file that its load_env and save_env use: lines
// of a variable each, then number signs up to the end. Comments and the variables of
// others are kept, in their order.
type Env struct{ lines []string }

// ParseEnv reads a block.
func ParseEnv(block []byte) (Env, error) {
	text, ok := bytes.CutPrefix(block, []byte(envSignature))
	if !ok || len(block) != EnvSize {
		return Env{}, fmt.Errorf("no environment block of %d bytes", EnvSize)
	}
	var e Env
	for len(text) > 0 {
		end := lineEnd(text)
		if end < 0 { // the number signs behind the last line
			break
		}
		e.lines = append(e.lines, string(text[:end]))
		text = text[end+1:]
	}
	return e, nil
}

// lineEnd is where the line ends: at a line feed that no backslash stands before.
func lineEnd(text []byte) int {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '\n':
			return i
		}
	}
	return -1
}

// Value is the value of a variable, "" if there is none.
func (e Env) Value(name string) string {
	for _, l := range e.lines {
		if value, ok := strings.CutPrefix(l, name+"="); ok {
			return unescape(value)
		}
	}
	return ""
}

// Names are those of all variables, in their order.
func (e Env) Names() []string {
	var names []string
	for _, l := range e.lines {
		if name, _, ok := strings.Cut(l, "="); ok && !strings.HasPrefix(l, "#") {
			names = append(names, name)
		}
	}
	return names
}

// Set changes a variable, or adds it before all others: GRUB's block is two sectors of
// a disk, and what stands in the first is written in one piece.
func (e *Env) Set(name, value string) {
	line := name + "=" + escape(value)
	for i, l := range e.lines {
		if strings.HasPrefix(l, name+"=") {
			e.lines[i] = line
			return
		}
	}
	e.lines = append([]string{line}, e.lines...)
}

// Unset removes a variable.
func (e *Env) Unset(name string) {
	var kept []string
	for _, l := range e.lines {
		if !strings.HasPrefix(l, name+"=") {
			kept = append(kept, l)
		}
	}
	e.lines = kept
}

// Format writes the block.
func (e Env) Format() ([]byte, error) {
	b := bytes.NewBufferString(envSignature)
	for _, l := range e.lines {
		b.WriteString(l + "\n")
	}
	if b.Len() > EnvSize {
		return nil, errors.New("the variables do not fit into GRUB's environment block")
	}
	return append(b.Bytes(), bytes.Repeat([]byte("#"), EnvSize-b.Len())...), nil
}

func escape(s string) string { return strings.NewReplacer(`\`, `\\`, "\n", "\\\n").Replace(s) }

func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
