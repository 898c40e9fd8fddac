package image_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/image/registrytest"
)

func authJSON(registry, user, password string) string {
	return fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, registry, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
}

// TestAuthFiles: the first file that exists is the only one.
func TestAuthFiles(t *testing.T) {
	t.Parallel()
	order := []string{
		"run/ostree/auth.json", "etc/ostree/auth.json", "usr/lib/ostree/auth.json",
		"run/containers/0/auth.json", "root/.config/containers/auth.json", "root/.docker/config.json",
	}
	for i, file := range order {
		reg := registrytest.New(t, registrytest.WithBasic("u", "p"))
		built := osImage(t)
		reg.Push("acme/os", "44", built)
		sys := newSystem(t, reg)
		sys.write(file, authJSON(reg.Addr(), "u", "p"))
		for _, later := range order[i+1:] {
			sys.write(later, authJSON(reg.Addr(), "u", "wrong"))
		}
		checkImage(t, open(t, reg.Name("acme/os:44"), sys.options()), built)
		if i == 0 {
			continue
		}
		sys.write(order[i-1], "{}")
		err := openError(t, reg.Name("acme/os:44"), sys.options())
		checkError(t, err, image.ErrUnauthorized, "registry "+reg.Addr()+" refuses access to "+reg.Name("acme/os:44")+": authentication required")
		o := sys.options()
		o.AuthFile = sys.path(file)
		checkImage(t, open(t, reg.Name("acme/os:44"), o), built)
	}
}

func TestAuthSchemes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		login registrytest.Option
		auth  string
		ok    bool
		want  string
	}{
		{name: "basic", login: registrytest.WithBasic("u", "p"), auth: authJSON("HOST", "u", "p"), ok: true},
		{name: "basic, of the repository", login: registrytest.WithBasic("u", "p"), auth: authJSON("HOST/acme/os", "u", "p"), ok: true},
		{name: "basic, of another repository", login: registrytest.WithBasic("u", "p"), auth: authJSON("HOST/other", "u", "p"), want: "authentication required"},
		{name: "basic, wrong", login: registrytest.WithBasic("u", "p"), auth: authJSON("HOST", "u", "q"), want: "authentication required"},
		{name: "bearer", login: registrytest.WithBearer("u", "p"), auth: authJSON("HOST", "u", "p"), ok: true},
		{name: "bearer, none", login: registrytest.WithBearer("u", "p"), auth: "{}", want: "incorrect username or password"},
		{name: "bearer, wrong", login: registrytest.WithBearer("u", "p"), auth: authJSON("HOST", "u", "q"), want: "incorrect username or password"},
		{name: "identity token", login: registrytest.WithBearer("u", "p"), auth: `{"auths":{"HOST":{"auth":"dTo=","identitytoken":"p"}}}`, ok: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.New(t, tc.login)
			built := osImage(t)
			reg.Push("acme/os", "44", built)
			sys := newSystem(t, reg)
			sys.write("etc/ostree/auth.json", replaceHost(tc.auth, reg.Addr()))
			if tc.ok {
				checkImage(t, open(t, reg.Name("acme/os:44"), sys.options()), built)
				return
			}
			checkError(t, openError(t, reg.Name("acme/os:44"), sys.options()), image.ErrUnauthorized,
				"registry "+reg.Addr()+" refuses access to "+reg.Name("acme/os:44")+": "+tc.want)
		})
	}
}

func replaceHost(s, host string) string { return strings.ReplaceAll(s, "HOST", host) }

// TestTokenExpires: a registry that forgets its tokens is asked for a new one,
// once for all layers that are under way.
func TestTokenExpires(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t, registrytest.WithBearer("u", "p"))
	built := osImage(t)
	reg.Push("acme/os", "44", built)
	sys := newSystem(t, reg)
	sys.write("etc/ostree/auth.json", authJSON(reg.Addr(), "u", "p"))
	im := open(t, reg.Name("acme/os:44"), sys.options())
	reg.RevokeTokens()
	reg.Reset()
	var wg sync.WaitGroup
	for i := range im.Layers {
		wg.Go(func() {
			if _, err := readLayer(t.Context(), im, i); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n, _ := reg.Gets("/token"); n != 1 {
		t.Errorf("%d tokens were fetched, want 1", n)
	}
	reg.RevokeTokens()
	reg.Inject(registrytest.Fault{Path: "/token", Do: registrytest.Status(401)})
	_, err := readLayer(t.Context(), im, 0)
	checkError(t, err, image.ErrUnauthorized, fmt.Sprintf("layer 1 of 3 (%s): the token service of registry %s answered 401 Unauthorized", short(built.Layers[0].Digest), reg.Addr()))
}

func TestUnreadableAuthFile(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	sys := newSystem(t, reg)
	sys.write("etc/ostree/auth.json", "{broken")
	err := openError(t, reg.Name("acme/os:44"), sys.options())
	if !errors.Is(err, image.ErrUnauthorized) || !strings.HasPrefix(err.Error(), "the credentials cannot be read: ") {
		t.Error(err)
	}
}
