package erofs

import "github.com/bootc-go/bootc/composefs/tree"

// xattrs returns the xattrs of inode i as the image has them, sorted. They are
// valid until the next call.
func (p *plan) xattrs(i int) []xattr {
	p.xs, p.values = p.xs[:0], p.values[:0]
	in := &p.inodes[i]
	if in.node == nil {
		if label, ok := p.root.Xattr(xattrSelinux); ok {
			p.set(xattrSelinux, label)
		}
		return p.xs
	}
	for _, x := range in.node.Xattrs {
		p.xs = append(p.xs, xattr{escapeXattr(x.Name), x.Value, -1})
	}
	if isExternal(in.node) {
		p.addRedirect(in.node.File)
	}
	if in.node.IsWhiteout() {
		p.set(xattrWhiteout, nil)
		p.set(xattrUserWhiteout, nil)
	}
	if in.marks&hasWhiteouts != 0 {
		p.addWhiteouts()
	}
	if i == 0 {
		p.set(xattrOpaque, []byte("y"))
	}
	return p.xs
}

func (p *plan) set(name string, value []byte) { p.xs = setXattr(p.xs, name, value) }

// addRedirect adds what tells overlayfs where a file's content is, and the
// digest that it must have (struct ovl_metacopy of the kernel).
func (p *plan) addRedirect(f *tree.File) {
	start := len(p.values)
	if d := f.Digest; !d.IsZero() {
		alg := d.Algorithm()
		p.values = append(p.values, 0, byte(metacopySize+alg.Size()), 0, byte(alg))
		p.values = d.AppendTo(p.values)
	}
	p.set(xattrMetacopy, p.values[start:])
	if f.Payload == "" {
		return
	}
	start = len(p.values)
	p.values = append(append(p.values, '/'), f.Payload...)
	p.set(xattrRedirect, p.values[start:])
}

// addWhiteouts marks a directory that holds whiteouts. What it says of the
// same names itself is lost, as with mkcomposefs.
func (p *plan) addWhiteouts() {
	p.set(xattrWhiteouts, nil)
	p.set(xattrUserWhiteouts, nil)
	if p.version >= V1 {
		p.set(xattrDirOpaque, []byte("x"))
		p.set(xattrUserDirOpaque, []byte("x"))
	}
}
