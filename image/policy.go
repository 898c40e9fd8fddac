package image

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
	file := first(sys.SignaturePolicyPath, "policy.json")
	p, err := signature.DefaultPolicy(sys)
	if errors.Is(err, configfile.ErrConfigFileNotFound) {
		return nil, &failure{class: class{ErrSignature, false}, cause: err, text: "there is no signature policy: neither /etc/containers/policy.json nor /usr/share/containers/policy.json exists"}
	}
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
