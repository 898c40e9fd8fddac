package repo

import "github.com/bootc-go/bootc/composefs/verity"

const streams category = streamsName

// LinkStream gives the splitstream d the name, which is no root. An older link
// of that name is replaced at once.
func (r *Repo) LinkStream(name string, d verity.Digest) error { return r.link(streams, name, d) }

// LookupStream returns the digest of the splitstream with that name, which may
// be that of a ref, "refs/…". A link whose object is missing counts as no
// link.
func (r *Repo) LookupStream(name string) (verity.Digest, bool, error) {
	return r.lookup(streams, name)
}

// Streams lists the links of all splitstreams in byte order.
func (r *Repo) Streams() ([]Link, error) { return r.links(streams) }

// SetStreamRef makes ref refer to the splitstream whose link is called target,
// which must exist.
func (r *Repo) SetStreamRef(ref, target string) error { return r.setRef(streams, ref, target) }

// RemoveStreamRef removes ref and reports whether it was there.
func (r *Repo) RemoveStreamRef(ref string) (bool, error) { return r.removeRef(streams, ref) }

// StreamRef returns the name of the link that ref refers to.
func (r *Repo) StreamRef(ref string) (target string, ok bool, err error) {
	return found(r.readRef(streams, ref))
}

// StreamRefs lists the refs below the directory prefix ("oci"; "" is all), in
// byte order. Names are whole: they begin with prefix.
func (r *Repo) StreamRefs(prefix string) ([]Ref, error) { return r.refs(streams, prefix) }
