package deploy

import (
	"bytes"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/kargs"
)

// statusSchemas are upstream's and ours.
var statusSchemas = sync.OnceValues(func() ([]*jsonschema.Schema, error) {
	text, err := host.Schema().Text()
	if err != nil {
		return nil, err
	}
	ours, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("ours.json", ours); err != nil {
		return nil, err
	}
	var out []*jsonschema.Schema
	for _, name := range []string{"../host/testdata/host-v1.schema.json", "ours.json"} {
		s, err := c.Compile(name)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
})

// checkSchema validates a document against upstream's schema, and ours. So does every
// test that looks at a status.
func (m *machine) checkSchema(h *host.Host) {
	m.t.Helper()
	schemas, err := statusSchemas()
	m.must(err)
	text, err := h.JSON()
	m.must(err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	m.must(err)
	for _, s := range schemas {
		if err := s.Validate(doc); err != nil {
			m.t.Errorf("the document is against the schema %s: %v", s.Location, err)
		}
	}
}

// strict is a loader whose entries require fs-verity.
type strict struct{ bootloader.Loader }

func (l strict) Menu() ([]bootloader.Entry, error) {
	menu, err := l.Loader.Menu()
	for i := range menu {
		menu[i].Root.Optional = false
	}
	return menu, err
}

// Every state that the document can tell of is one of a host, and of the schema.
func TestSchemaInEveryState(t *testing.T) {
	t.Parallel()
	staged := func(m *machine) { m.push(v("2")); m.mustUpgrade() }
	two := func(m *machine) { staged(m); m.reboot() }
	for name, tt := range map[string]struct {
		make func(m *machine)
		is   func(s host.Status) bool
	}{
		"only booted": {func(*machine) {}, func(s host.Status) bool {
			return s.Booted != nil && s.Staged == nil && s.Rollback == nil && *s.Type == host.BootcHost
		}},
		"staged": {staged, func(s host.Status) bool { return s.Staged != nil && !s.Staged.DownloadOnly }},
		"staged, download only": {func(m *machine) {
			m.push(v("2"))
			_, err := m.upgrade(StageOptions{DownloadOnly: true})
			m.must(err)
		}, func(s host.Status) bool { return s.Staged.DownloadOnly }},
		"rollback":        {two, func(s host.Status) bool { return s.Rollback != nil && !s.RollbackQueued }},
		"rollback queued": {func(m *machine) { two(m); m.mustRollback(true) }, func(s host.Status) bool { return s.RollbackQueued }},
		"pinned":          {func(m *machine) { m.must(m.pin(m.booted.ID, true)) }, func(s host.Status) bool { return s.Booted.Pinned }},
		"others": {func(m *machine) {
			m.must(m.pin(m.booted.ID, true))
			two(m)
			m.push(v("3"))
			m.mustUpgrade()
			m.reboot()
		}, func(s host.Status) bool { return len(s.OtherDeployments) == 1 && s.OtherDeployments[0].Pinned }},
		"soft-reboot capable": {func(m *machine) { m.soft = true; staged(m) }, func(s host.Status) bool { return s.Staged.SoftRebootCapable }},
		"unified kernel": {func(m *machine) {
			m.push(m.uki("2", m.bootID(m.uki("2", verity.Sum(verity.SHA512, nil)))))
			m.mustUpgrade()
			m.reboot()
		}, func(s host.Status) bool {
			return s.Booted.Composefs.BootType == host.UKI && s.Rollback.Composefs.BootType == host.BLS
		}},
		"missing verity": {func(*machine) {}, func(s host.Status) bool { return s.Booted.Composefs.MissingVerityAllowed }},
		"verity required": {func(m *machine) {
			m.loader = strict{m.loader}
			m.booted.Optional = false
		}, func(s host.Status) bool { return !s.Booted.Composefs.MissingVerityAllowed }},
		"cached update": {func(m *machine) {
			m.push(v("2"))
			m.must(m.with(func(s *Sysroot) error {
				u, err := s.Check(m.t.Context(), m.target("os:latest"))
				m.must(err)
				defer u.Close()
				s.Remember(u)
				return nil
			}))
		}, func(s host.Status) bool { return s.Booted.CachedUpdate != nil }},
		"not deployed by bootc": {func(m *machine) { m.booted = kargs.Root{} }, func(s host.Status) bool {
			return s.Type == nil && s.Booted == nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, _ := fakeMachine(t, v("1"))
			tt.make(m)
			if h := m.status(); !tt.is(h.Status) {
				t.Errorf("it is not: %+v", h.Status)
			}
		})
	}
}
