package erofs

import "github.com/bootc-go/bootc/composefs/tree"

// xattrList is the xattrs of one inode as the image has them, sorted. It is
// filled again and again.
type xattrList struct {
	list   []xattr
	values []byte // memory for values that the tree does not have
}

func (l *xattrList) set(name string, value []byte) { l.list = setXattr(l.list, name, value) }

// rewrite fills l with the xattrs of inode i.
func (p *plan) rewrite(i int, l *xattrList) {
	l.list, l.values = l.list[:0], l.values[:0]
	in := &p.inodes[i]
	if in.node == nil {
		if label, ok := p.root.Xattr(xattrSelinux); ok {
			l.set(xattrSelinux, label)
		}
		return
	}
	for _, x := range in.node.Xattrs {
		l.list = append(l.list, xattr{escapeXattr(x.Name), x.Value, -1})
	}
	if isExternal(in.node) {
		l.setRedirect(in.node.File)
	}
	if in.node.IsWhiteout() {
		l.set(xattrWhiteout, nil)
		l.set(xattrUserWhiteout, nil)
	}
	if in.marks&hasWhiteouts != 0 {
		l.setWhiteouts(p.version)
	}
	if i == 0 {
		l.set(xattrOpaque, []byte("y"))
	}
}

// setRedirect adds what tells overlayfs where a file's content is, and the
// digest that it must have (struct ovl_metacopy of the kernel).
func (l *xattrList) setRedirect(f *tree.File) {
	start := len(l.values)
	if !f.Digest.IsZero() {
		alg := f.Digest.Algorithm()
		l.values = append(l.values, 0, byte(metacopySize+alg.Size()), 0, byte(alg))
		l.values = f.Digest.AppendTo(l.values)
	}
	l.set(xattrMetacopy, l.values[start:])
	if f.Payload == "" {
		return
	}
	start = len(l.values)
	l.values = append(append(l.values, '/'), f.Payload...)
	l.set(xattrRedirect, l.values[start:])
}

// setWhiteouts marks a directory that holds whiteouts. What it says of the
// same names itself is lost, as with mkcomposefs.
func (l *xattrList) setWhiteouts(v Version) {
	l.set(xattrWhiteouts, nil)
	l.set(xattrUserWhiteouts, nil)
	if v >= V1 {
		l.set(xattrDirOpaque, []byte("x"))
		l.set(xattrUserDirOpaque, []byte("x"))
	}
}
