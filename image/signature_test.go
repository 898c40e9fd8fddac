package image_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/image/registrytest"
	"github.com/bootc-go/bootc/internal/testtool"
)

// gpgKey is a key of GnuPG in a home of its own.
type gpgKey struct{ home, id, public string }

func newGPGKey(t *testing.T) gpgKey {
	t.Helper()
	k := gpgKey{home: t.TempDir(), id: "signer@example.com"}
	k.public = filepath.Join(k.home, "public.gpg")
	k.run(t, "gpg", "--batch", "--passphrase", "", "--quick-generate-key", k.id, "ed25519", "sign")
	k.run(t, "gpg", "--batch", "--output", k.public, "--export", k.id)
	t.Cleanup(func() { k.run(t, "gpgconf", "--kill", "all") })
	return k
}

func (k gpgKey) run(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(testtool.Path(t, name), args...)
	cmd.Env = append(os.Environ(), "GNUPGHOME="+k.home)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// sign makes skopeo write a simple signature for the manifest into the place
// where sys looks for signatures (registries.d: lookaside).
func (k gpgKey) sign(t *testing.T, sys *system, reference, repo string, manifest []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "manifest")
	if err := os.WriteFile(file, manifest, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := fmt.Sprintf("sigs/%s@%s", repo, strings.Replace(digest.FromBytes(manifest).String(), ":", "=", 1))
	sys.write(dir+"/.keep", "")
	k.run(t, "skopeo", "standalone-sign", file, reference, k.id, "--output", sys.path(dir+"/signature-1"))
}

// signedSystem trusts what the policy's requirements say about all images of
// registries, and looks for signatures beside the image and in sigs.
func signedSystem(t *testing.T, requirements string, regs ...*registrytest.Registry) *system {
	t.Helper()
	sys := newSystem(t, regs...)
	sys.write("etc/containers/policy.json", fmt.Sprintf(`{"default":[{"type":"reject"}],"transports":{"docker":{"":[%s]}}}`, requirements))
	sys.write("etc/containers/registries.d/default.yaml", fmt.Sprintf("default-docker:\n  lookaside: file://%s\n  use-sigstore-attachments: true\n", sys.path("sigs")))
	return sys
}

func signedBy(file string) string {
	return fmt.Sprintf(`{"type":"signedBy","keyType":"GPGKeys","keyPath":%q}`, file)
}

func sigstoreSigned(file string) string {
	return fmt.Sprintf(`{"type":"sigstoreSigned","keyPath":%q}`, file)
}

func TestSimpleSigning(t *testing.T) {
	t.Parallel()
	key, other := newGPGKey(t), newGPGKey(t)
	reg := registrytest.New(t)
	built := osImage(t)
	reg.Push("acme/os", "44", built)
	name := reg.Name("acme/os:44")

	sys := signedSystem(t, signedBy(key.public), reg)
	refused := name + " is refused by the signature policy " + sys.path("etc/containers/policy.json") + ": "
	checkError(t, openError(t, name, sys.options()), image.ErrSignature, refused+"A signature was required, but no signature exists")

	other.sign(t, sys, name, "acme/os", built.Manifest)
	err := openError(t, name, sys.options())
	if !errors.Is(err, image.ErrSignature) || !strings.HasPrefix(err.Error(), refused+"Key not found for key ID ") {
		t.Errorf("signed by another key: %v", err)
	}

	key.sign(t, sys, reg.Name("acme/other:44"), "acme/os", built.Manifest)
	checkError(t, openError(t, name, sys.options()), image.ErrSignature,
		refused+`Signature for identity "`+reg.Name("acme/other:44")+`" is not accepted`)

	key.sign(t, sys, name, "acme/os", built.Manifest)
	o := sys.options()
	o.RequireSignature = true
	checkImage(t, open(t, name, o), built)

	// The signature is for these very bytes.
	changed := registrytest.Build(t, registrytest.Image{Layers: osSpec().Layers, Labels: map[string]string{"evil": "1"}})
	reg.Push("acme/os", "44", changed)
	checkError(t, openError(t, name, sys.options()), image.ErrSignature, refused+"A signature was required, but no signature exists")
}

// sigstoreKey is a key pair as cosign uses them.
type sigstoreKey struct {
	private *ecdsa.PrivateKey
	public  string // a file
}

func newSigstoreKey(t *testing.T) sigstoreKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cosign.pub")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return sigstoreKey{key, file}
}

// sign puts a signature beside the image, as cosign does: an image with the tag
// sha256-DIGEST.sig, whose layer is the signed text (sigstore/cosign,
// specs/SIGNATURE_SPEC.md). Debian's skopeo is built without the code for it.
func (k sigstoreKey) sign(t *testing.T, reg *registrytest.Registry, repo, identity string, manifest digest.Digest) {
	t.Helper()
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":{}}`,
		identity, manifest)
	sum := sha256.Sum256(payload)
	sig, err := ecdsa.SignASN1(rand.Reader, k.private, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	reg.Push(repo, strings.Replace(manifest.String(), ":", "-", 1)+".sig", registrytest.Build(t, registrytest.Image{Layers: []registrytest.Layer{{
		Blob:        payload,
		Annotations: map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(sig)},
		Edit:        func(d *v1.Descriptor) { d.MediaType = "application/vnd.dev.cosign.simplesigning.v1+json" },
	}}}))
}

func TestSigstore(t *testing.T) {
	t.Parallel()
	key, other := newSigstoreKey(t), newSigstoreKey(t)
	reg := registrytest.New(t)
	built := osImage(t)
	reg.Push("acme/os", "44", built)

	sys := signedSystem(t, sigstoreSigned(key.public), reg)
	refused := " is refused by the signature policy " + sys.path("etc/containers/policy.json") + ": "
	name := reg.Name("acme/os:44")
	checkError(t, openError(t, name, sys.options()), image.ErrSignature, name+refused+"A signature was required, but no signature exists")

	key.sign(t, reg, "acme/os", name, built.Descriptor.Digest)
	o := sys.options()
	o.RequireSignature = true
	checkImage(t, open(t, name, o), built)

	stranger := signedSystem(t, sigstoreSigned(other.public), reg)
	err := openError(t, name, stranger.options())
	if !errors.Is(err, image.ErrSignature) || !strings.Contains(err.Error(), "cryptographic signature verification failed") {
		t.Errorf("signed by another key: %v", err)
	}

	// A registry that cannot give the signature now is asked again.
	reg.Inject(registrytest.Fault{Path: "/manifests/sha256-", Times: 1, Do: registrytest.Status(503)})
	checkImage(t, open(t, name, sys.options()), built)
	reg.Inject(registrytest.Fault{Path: "/manifests/sha256-", Do: registrytest.Status(http.StatusForbidden)})
	checkError(t, openError(t, name, sys.options()), image.ErrUnauthorized, "registry "+reg.Addr()+" refuses access to "+name+": Forbidden")
}

// TestCosign: cosign signs the repository's name without the tag, and a policy
// can be content with that.
func TestCosign(t *testing.T) {
	t.Parallel()
	key := newSigstoreKey(t)
	reg := registrytest.New(t)
	built := osImage(t)
	reg.Push("acme/os", "44", built)
	key.sign(t, reg, "acme/os", reg.Name("acme/os"), built.Descriptor.Digest)
	name := reg.Name("acme/os:44")
	sys := signedSystem(t, sigstoreSigned(key.public), reg)
	checkError(t, openError(t, name, sys.options()), image.ErrSignature, name+" is refused by the signature policy "+
		sys.path("etc/containers/policy.json")+`: Signature for identity "`+reg.Name("acme/os")+`" is not accepted`)
	sys = signedSystem(t, strings.TrimSuffix(sigstoreSigned(key.public), "}")+`,"signedIdentity":{"type":"matchRepository"}}`, reg)
	checkImage(t, open(t, name, sys.options()), built)
}

// TestSignedIndex: a signature on the index is enough, and so is one on the
// image that is chosen from it.
func TestSignedIndex(t *testing.T) {
	t.Parallel()
	key := newGPGKey(t)
	reg := registrytest.New(t)
	index, images := platformIndex(t, "linux/amd64", "linux/arm64")
	reg.Push("acme/os", "44", index)
	name := reg.Name("acme/os:44")

	top := signedSystem(t, signedBy(key.public), reg)
	key.sign(t, top, name, "acme/os", index.Manifest)
	checkImage(t, open(t, name, top.options()), images["linux/amd64"])

	inner := signedSystem(t, signedBy(key.public), reg)
	key.sign(t, inner, name, "acme/os", images["linux/amd64"].Manifest)
	o := inner.options()
	checkImage(t, open(t, name, o), images["linux/amd64"])
	o.Arch = "arm64"
	checkError(t, openError(t, name, o), image.ErrSignature,
		name+" is refused by the signature policy "+inner.path("etc/containers/policy.json")+": A signature was required, but no signature exists")
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	built := osImage(t)
	reg.Push("acme/os", "44", built)
	name := reg.Name("acme/os:44")
	policy := func(sys *system) string { return sys.path("etc/containers/policy.json") }

	sys := signedSystem(t, `{"type":"reject"}`, reg)
	checkError(t, openError(t, name, sys.options()), image.ErrSignature,
		name+" is refused by the signature policy "+policy(sys)+": Running image docker://"+name+" is rejected by policy.")

	sys = newSystem(t, reg)
	o := sys.options()
	o.RequireSignature = true
	checkError(t, openError(t, name, o), image.ErrSignature,
		name+" is refused by the signature policy "+policy(sys)+": No signature verification policy found for image docker:"+name)

	sys.write("etc/containers/policy.json", "{}")
	err := openError(t, name, sys.options())
	if !errors.Is(err, image.ErrSignature) || !strings.HasPrefix(err.Error(), "the signature policy "+policy(sys)+" cannot be used: ") {
		t.Error(err)
	}

	if err := os.Remove(policy(sys)); err != nil {
		t.Fatal(err)
	}
	checkError(t, openError(t, name, sys.options()), image.ErrSignature,
		"the signature policy "+policy(sys)+" cannot be used: open "+policy(sys)+": no such file or directory")
	sys.write("usr/share/containers/policy.json", acceptAll)
	checkImage(t, open(t, name, sys.options()), built)

	sys.write("elsewhere.json", `{"default":[{"type":"reject"}]}`)
	o = sys.options()
	o.PolicyPath = sys.path("elsewhere.json")
	if err := openError(t, name, o); !errors.Is(err, image.ErrSignature) {
		t.Error(err)
	}
}

// TestPolicyBeforeAll: nothing of an image that is refused is looked at, not
// even to say that it is none.
func TestPolicyBeforeAll(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	reg.AddManifest("acme/os", "44", "text/html", []byte("<html>"))
	sys := signedSystem(t, signedBy(newGPGKey(t).public), reg)
	if err := openError(t, reg.Name("acme/os:44"), sys.options()); !errors.Is(err, image.ErrSignature) {
		t.Error(err)
	}
}
