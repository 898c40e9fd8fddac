package image_test

import (
	"strconv"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/progress"
)

// nasty moves a terminal's cursor, sets its title, writes backwards and is no
// UTF-8 in the end. JSON lets it all through but the last.
const nasty = "x\x1b[2J\x1b]0;t\a\r\n\u009b1m\u202egnp\u2066"

// checkPrintable wants a sentence that a terminal shows as it is.
func checkPrintable(t *testing.T, what, text string) {
	t.Helper()
	for _, r := range text {
		if !strconv.IsPrint(r) {
			t.Errorf("%s has %q: %q", what, r, text)
			return
		}
	}
	if !strings.Contains(text, `x\x1b[2J`) {
		t.Errorf("%s does not show what was said: %q", what, text)
	}
}

// TestNothingForTheTerminal: what registries and images say goes into messages,
// but terminals do not get to obey it.
func TestNothingForTheTerminal(t *testing.T) {
	t.Parallel()
	quoted := strings.ReplaceAll(strings.ReplaceAll(strconv.QuoteToASCII(nasty), `\x`, `\u00`), `\a`, `\u0007`)
	for name, plant := range map[string]func(*registrytest.Registry){
		"architecture": func(reg *registrytest.Registry) {
			spec := osSpec()
			spec.Architecture = nasty
			reg.Push("acme/os", "44", registrytest.Build(t, spec))
		},
		"message of a 403": func(reg *registrytest.Registry) {
			body := `{"errors":[{"code":"DENIED","message":` + quoted + `}]}`
			reg.Inject(registrytest.Fault{Path: "/manifests/", Do: registrytest.Answer(403, "application/json", body)})
		},
		"message of a 400": func(reg *registrytest.Registry) {
			body := `{"errors":[{"code":"UNAVAILABLE","message":` + quoted + `}]}`
			reg.Inject(registrytest.Fault{Path: "/manifests/", Do: registrytest.Answer(400, "application/json", body)})
		},
		"address of a layer": func(reg *registrytest.Registry) {
			spec := osSpec()
			spec.Layers[1].Edit = func(d *v1.Descriptor) { d.URLs = []string{nasty} }
			reg.Push("acme/os", "44", registrytest.Build(t, spec))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.New(t)
			plant(reg)
			o := newSystem(t, reg).options()
			o.Progress = func(e progress.Event) {
				if e.Kind == progress.Message {
					checkPrintable(t, "a message", e.Text)
				}
			}
			checkPrintable(t, "the error", openError(t, reg.Name("acme/os:44"), o).Error())
		})
	}
}

// TestErrorIsUTF8 has bytes that are none.
func TestErrorIsUTF8(t *testing.T) {
	t.Parallel()
	sys := newSystem(t)
	_, err := image.Open(t.Context(), parse(t, "oci:/nowhere/\xff\u200f"), sys.options())
	if err == nil || !strings.Contains(err.Error(), `/nowhere/\xff\u200f`) {
		t.Errorf("got %q", err)
	}
}
