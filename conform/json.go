package conform

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// What a document may have, whatever its size: a value takes a hundred bytes of memory.
const (
	maxDepth  = 100
	maxValues = 1 << 18
)

var errLimit = errors.New("more than bootc reads")

// node is a JSON value. Unlike encoding/json's structs it keeps what is written twice,
// and knows upper from lower case in names.
type node struct {
	kind    kind
	text    string // of a string or a number
	truth   bool
	members []member // of an object, in order
	items   []*node  // of an array
}

type member struct {
	name  string
	value *node
}

// kind is the type of a JSON value.
type kind string

const (
	object  kind = "object"
	array   kind = "array"
	text    kind = "string"
	number  kind = "number"
	boolean kind = "boolean"
	null    kind = "null"
)

// get returns the last member called name, nil if there is none. n may be nil.
func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	for _, m := range slices.Backward(n.members) {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// integer returns the value of an integer that fits into 64 bits.
func (n *node) integer() (int64, bool) {
	i, err := strconv.ParseInt(n.text, 10, 64)
	return i, n.kind == number && err == nil
}

// parseJSON reads one JSON document.
func parseJSON(data []byte) (*node, error) {
	var raw json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil { // stricter than Token
		return nil, err
	}
	d := &decoder{Decoder: json.NewDecoder(bytes.NewReader(raw))}
	d.UseNumber()
	return parseValue(d, 0)
}

// decoder counts the values that it reads.
type decoder struct {
	*json.Decoder
	values int
}

func parseValue(d *decoder, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%w: nested deeper than %d", errLimit, maxDepth)
	}
	if d.values++; d.values > maxValues {
		return nil, fmt.Errorf("%w: more than %d values", errLimit, maxValues)
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return parseObject(d, depth)
		}
		return parseArray(d, depth)
	case string:
		return &node{kind: text, text: t}, nil
	case json.Number:
		return &node{kind: number, text: t.String()}, nil
	case bool:
		return &node{kind: boolean, truth: t}, nil
	default:
		return &node{kind: null}, nil
	}
}

func parseObject(d *decoder, depth int) (*node, error) {
	n := &node{kind: object}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, ok := t.(string)
		if !ok {
			return nil, errors.New("the name of a member is no string")
		}
		v, err := parseValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		n.members = append(n.members, member{name, v})
	}
	_, err := d.Token()
	return n, err
}

func parseArray(d *decoder, depth int) (*node, error) {
	n := &node{kind: array}
	for d.More() {
		v, err := parseValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		n.items = append(n.items, v)
	}
	_, err := d.Token()
	return n, err
}

// document reads a JSON object and checks what holds for all of them. It returns nil
// if there is nothing to go on with.
func (c *checker) document(data []byte, p place, code Code) *node {
	if !utf8.Valid(data) {
		c.add("json-utf8", p, "the document is not UTF-8")
		return nil
	}
	n, err := parseJSON(data)
	if errors.Is(err, errLimit) {
		c.add("limit-document", p, "%v", err)
		return nil
	}
	if err != nil {
		c.add(code, p, "no JSON document: %v", err)
		return nil
	}
	if n.kind != object {
		c.add(code, p, "the document is %s %s, not an object", article(n.kind), n.kind)
		return nil
	}
	c.ijson(n, p)
	return n
}

// ijson checks what RFC 7493 asks for. Annotations have a rule of their own.
func (c *checker) ijson(n *node, p place) {
	switch n.kind {
	case object:
		seen := map[string]bool{}
		for _, m := range n.members {
			if at := p.key(m.name); seen[m.name] && !isAnnotations(p) {
				c.add("json-duplicate", at, "the name %q stands twice in its object", shorten(m.name))
			}
			seen[m.name] = true
			c.ijson(m.value, p.key(m.name))
		}
	case array:
		for i, v := range n.items {
			c.ijson(v, p.index(i))
		}
	case number:
		if i, ok := n.integer(); ok && (i > 1<<53 || i < -1<<53) {
			c.add("json-number", p, "%d has more digits than a double precision number holds", i)
		}
	case text, boolean, null:
	}
}

func article(k kind) string {
	if k == object || k == array {
		return "an"
	}
	return "a"
}

// child returns the member called name if it is of the wanted kind; it reports one
// that is of another. Where null means absent it is that.
func (c *checker) child(n *node, p place, name string, want kind, section string) *node {
	v := n.get(name)
	if v == nil || v.kind == null && p.document == "config" {
		return nil
	}
	if v.kind != want {
		c.addFor(section, "json-type", p.key(name), "%s is %s %s, not %s %s", shorten(name), article(v.kind), v.kind, article(want), want)
		return nil
	}
	return v
}

// has reports whether the member is there, of whatever kind.
func has(n *node, p place, name string) bool {
	v := n.get(name)
	return v != nil && (v.kind != null || p.document != "config")
}

// str returns a string, and whether there is one.
func (c *checker) str(n *node, p place, name, section string) (string, bool) {
	v := c.child(n, p, name, text, section)
	if v == nil {
		return "", false
	}
	return v.text, true
}

// strs returns the strings of an array, and where each is.
func (c *checker) strs(n *node, p place, name, section string) []string {
	v := c.child(n, p, name, array, section)
	if v == nil {
		return nil
	}
	var all []string
	for i, item := range v.items {
		if item.kind != text {
			c.addFor(section, "json-type", p.key(name).index(i), "an item is %s %s, not a string", article(item.kind), item.kind)
			continue
		}
		all = append(all, item.text)
	}
	return all
}
