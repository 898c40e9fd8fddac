package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage/pkg/configfile"
)

// policy judges images by policy.json (containers-policy.json(5)).
type policy struct {
	context *signature.PolicyContext
	file    string // for messages
	ref     Reference
}

// loadPolicy reads the policy. A system without one pulls nothing, as with
// containers' other tools: whoever trusts everything has to say so.
func loadPolicy(ref Reference, o Options, sys *types.SystemContext) (*policy, error) {
	file, err := policyInUse(sys)
	if err != nil {
		return nil, err
	}
	p, err := signature.DefaultPolicy(sys)
	if err != nil {
		return nil, &failure{class: class{ErrSignature, false}, cause: err, text: fmt.Sprintf("the signature policy %s cannot be used: %s", file, reason(err))}
	}
	pc, err := signature.NewPolicyContext(p)
	if err != nil {
		return nil, err
	}
	pc.RequireSignatureVerification(o.RequireSignature)
	return &policy{context: pc, file: file, ref: ref}, nil
}

// policyInUse is the file that the library will read.
func policyInUse(sys *types.SystemContext) (string, error) {
	if sys.SignaturePolicyPath != "" {
		return sys.SignaturePolicyPath, nil
	}
	paths, err := configfile.GetSearchPaths(&configfile.File{
		Name: "policy", Extension: "json", EnvironmentName: "CONTAINERS_POLICY_JSON", DoNotLoadDropInFiles: true,
	})
	if err != nil {
		return "", err
	}
	for _, file := range paths.MainFiles {
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			return file, nil
		}
	}
	return "", &failure{class: class{ErrSignature, false}, text: "there is no signature policy: none of " + strings.Join(paths.MainFiles, ", ") + " exists"}
}

// check returns an error unless the policy lets the image be used. Nothing of
// the image is to be used before.
func (p *policy) check(ctx context.Context, im types.UnparsedImage) error {
	ok, err := p.context.IsRunningImageAllowed(ctx, im)
	if ok && err == nil {
		return nil
	}
	if err == nil {
		err = errors.New("it says no")
	}
	// What keeps signatures from being fetched may pass, and is no verdict.
	if slices.Contains([]error{ErrUnauthorized, ErrUnreachable, ErrUnavailable, ErrTLS}, classify(err).kind) {
		return err
	}
	return &failure{class: class{ErrSignature, false}, cause: err, text: fmt.Sprintf("%s is refused by the signature policy %s: %s", p.ref.human(), p.file, reason(err))}
}

func (p *policy) close() { _ = p.context.Destroy() } // fails only for a misused context
