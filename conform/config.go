package conform

import (
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// config is what a check needs of a configuration.
type config struct {
	read     bool
	platform v1.Platform
	diffIDs  []string
	labels   map[string]string
}

// config checks the configuration that d describes, of an image with so many layers.
func (c *checker) config(d descriptor, layers int) config {
	p := place{document: "config", digest: d.Digest.String()}
	data, ok := c.read(d)
	if !ok {
		return config{}
	}
	n := c.document(data, p, "json-syntax")
	if n == nil {
		return config{}
	}
	out := config{read: true, platform: c.platform(n, p, inConfig)}
	if !has(n, p, "architecture") || n.get("architecture").kind == text && out.platform.Architecture == "" {
		c.add("config-architecture-missing", p, "there is no architecture")
	}
	if !has(n, p, "os") || n.get("os").kind == text && out.platform.OS == "" {
		c.add("config-os-missing", p, "there is no os")
	}
	c.time(n, p, "created", "config-created")
	c.str(n, p, "author", inConfig)
	out.diffIDs = c.rootfs(n, p, layers)
	c.history(n, p, layers)
	if v := c.child(n, p, "config", object, inConfig); v != nil {
		out.labels = c.execution(v, p.key("config"))
	}
	return out
}

func (c *checker) time(n *node, p place, name string, code Code) {
	if s, ok := c.str(n, p, name, inConfig); ok && !isTime(s) {
		c.add(code, p.key(name), "%q is no date and time of RFC 3339", shorten(s))
	}
}

// rootfs returns the diff_ids.
func (c *checker) rootfs(n *node, p place, layers int) []string {
	if !has(n, p, "rootfs") {
		c.add("config-rootfs-missing", p, "there is no rootfs")
		return nil
	}
	v := c.child(n, p, "rootfs", object, inConfig)
	if v == nil {
		return nil
	}
	p = p.key("rootfs")
	if t, ok := c.str(v, p, "type", inConfig); !has(v, p, "type") || ok && t != "layers" {
		c.add("config-rootfs-type", p.key("type"), "the type is %q, not \"layers\"", shorten(t))
	}
	if !has(v, p, "diff_ids") {
		c.add("config-diff-ids-missing", p, "there are no diff_ids")
		return nil
	}
	ids := c.strs(v, p, "diff_ids", inConfig)
	if got := v.get("diff_ids"); got.kind == array && len(got.items) != layers {
		c.add("config-diff-ids-count", p.key("diff_ids"), "there are %d, but the manifest has %d layers", len(got.items), layers)
	}
	for i, id := range ids {
		if !c.digest(id, p.key("diff_ids").index(i), "config-diff-id", "config-diff-id") {
			ids[i] = ""
		}
	}
	return ids
}

// history checks that the entries which made layers are as many as the layers.
func (c *checker) history(n *node, p place, layers int) {
	v := c.child(n, p, "history", array, inConfig)
	if v == nil || len(v.items) == 0 {
		return
	}
	p = p.key("history")
	made := 0
	for i, h := range v.items {
		at := p.index(i)
		if h.kind != object {
			c.addFor(inConfig, "json-type", at, "an entry is %s %s, not an object", article(h.kind), h.kind)
			return
		}
		c.time(h, at, "created", "config-history-created")
		for _, name := range []string{"author", "created_by", "comment"} {
			c.str(h, at, name, inConfig)
		}
		if e := c.child(h, at, "empty_layer", boolean, inConfig); e == nil || !e.truth {
			made++
		}
	}
	if made != layers {
		c.add("config-history-layers", p, "%d entries made layers, but there are %d layers", made, layers)
	}
}

// execution checks the parameters for running a container, and returns the labels.
func (c *checker) execution(n *node, p place) map[string]string {
	if u, ok := c.str(n, p, "User", inConfig); ok && u != "" && !userName.MatchString(u) {
		c.add("config-user", p.key("User"), "%q is no user and group", shorten(u))
	}
	for i, e := range c.strs(n, p, "Env", inConfig) {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
			c.add("config-env", p.key("Env").index(i), "%q is not of the form NAME=VALUE", shorten(e))
		}
	}
	c.strs(n, p, "Entrypoint", inConfig)
	c.strs(n, p, "Cmd", inConfig)
	c.set(n, p, "ExposedPorts", "config-exposed-port", "PORT, PORT/tcp or PORT/udp", exposedPort.MatchString)
	c.set(n, p, "Volumes", "config-volume", "an absolute path", isAbsolute)
	if w, ok := c.str(n, p, "WorkingDir", inConfig); ok && w != "" && !isAbsolute(w) {
		c.add("config-working-dir", p.key("WorkingDir"), "%q is no absolute path", shorten(w))
	}
	if s, ok := c.str(n, p, "StopSignal", inConfig); ok && s != "" && !stopSignal.MatchString(s) {
		c.add("config-stop-signal", p.key("StopSignal"), "%q is no signal such as SIGTERM or SIGRTMIN+3", shorten(s))
	}
	if has(n, p, "ArgsEscaped") && c.child(n, p, "ArgsEscaped", boolean, inConfig) != nil {
		c.add("config-args-escaped", p.key("ArgsEscaped"), "this property is deprecated")
	}
	for _, name := range []string{"Memory", "MemorySwap", "CpuShares", "Healthcheck"} {
		if has(n, p, name) {
			c.add("config-reserved", p.key(name), "this property is reserved for compatibility with docker")
		}
	}
	return c.annotations(n, p, "Labels", false)
}

// isAbsolute knows the paths of windows as well.
func isAbsolute(path string) bool {
	return strings.HasPrefix(path, "/") || len(path) >= 3 && path[1] == ':' && (path[2] == '\\' || path[2] == '/')
}

// set checks an object that stands for a set: its values are empty objects.
func (c *checker) set(n *node, p place, name string, code Code, form string, ok func(string) bool) {
	v := c.child(n, p, name, object, inConfig)
	if v == nil {
		return
	}
	for _, m := range v.members {
		at := p.key(name).key(m.name)
		if !ok(m.name) {
			c.add(code, at, "%q is not %s", shorten(m.name), form)
		}
		if m.value.kind != object || len(m.value.members) > 0 {
			c.add("config-set-value", at, "the value is not an empty object, as that of a set must be")
		}
	}
}
