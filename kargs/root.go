package kargs

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bootc-go/bootc/composefs/verity"
)

// ErrNoRoot means that a command line names no deployment.
var ErrNoRoot = errors.New("no composefs= argument on the kernel command line")

// The keys that name the deployment to boot. A value of formatKey names the image
// format and the digest algorithm before the digest.
const (
	rootKey   = "composefs"
	formatKey = "composefs.digest"
)

// Root says which deployment becomes the root file system.
type Root struct {
	ID       verity.Digest // of the boot image
	Optional bool          // the system may run where fs-verity is missing
}

// FindRoot returns the deployment that the line names, as "composefs=[?]<id>" or
// "composefs.digest=[?]v<1 or 2>-<algorithm>:<id>", algorithm as in "sha512-12". An
// argument that cannot be understood is an error, and so are two that disagree;
// ErrNoRoot if there is none.
func FindRoot(l Line) (Root, error) {
	var found Root
	for _, a := range l {
		if !isRoot(a) {
			continue
		}
		r, err := parseRoot(a)
		if err != nil {
			return Root{}, fmt.Errorf("kernel argument %q: %w", string(a), err)
		}
		if !found.ID.IsZero() && r != found {
			return Root{}, fmt.Errorf("kernel argument %q contradicts %q", string(a), string(found.Arg()))
		}
		found = r
	}
	if found.ID.IsZero() {
		return Root{}, ErrNoRoot
	}
	return found, nil
}

// Arg is the argument that FindRoot finds: "composefs=<id>" or "composefs=?<id>".
func (r Root) Arg() Arg {
	if r.Optional {
		return Arg(rootKey + "=?" + r.ID.String())
	}
	return Arg(rootKey + "=" + r.ID.String())
}

// WithRoot is the line with r in the place of the root that it names, or behind it.
func (l Line) WithRoot(r Root) Line {
	at := slices.IndexFunc(l, isRoot)
	if at < 0 {
		return l.With(r.Arg())
	}
	rest := slices.DeleteFunc(slices.Clone(l[at:]), isRoot)
	return slices.Concat(l[:at], Line{r.Arg()}, rest)
}

func isRoot(a Arg) bool {
	return sameKey(a.Key(), rootKey) || sameKey(a.Key(), formatKey)
}

func parseRoot(a Arg) (Root, error) {
	value, _ := a.Value()
	var r Root
	value, r.Optional = strings.CutPrefix(value, "?")
	alg := verity.Algorithm(0)
	if !sameKey(a.Key(), rootKey) {
		name, hex, ok := strings.Cut(value, ":")
		version, id, _ := strings.Cut(name, "-")
		if !ok || version != "v1" && version != "v2" {
			return Root{}, fmt.Errorf(`image format and algorithm are %q, not as in "v1-sha512-12:"`, name)
		}
		var err error
		if alg, err = verity.ParseAlgorithm("fsverity-" + id); err != nil {
			return Root{}, err
		}
		if alg.ID() != "fsverity-"+id {
			return Root{}, fmt.Errorf("algorithm is %q, not as in %q", id, "sha512-12")
		}
		value = hex
	}
	var err error
	if r.ID, err = verity.ParseHex(value); err != nil {
		return Root{}, err
	}
	if alg != 0 && r.ID.Algorithm() != alg {
		return Root{}, fmt.Errorf("a digest of %s, not %s", r.ID.Algorithm(), alg)
	}
	return r, nil
}
