package tree

import (
	"bytes"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// String is the change in one line: "+ /etc/x", "- /etc/x",
// "~ /etc/x (mode 644 -> 600, content)". The path is escaped as in a dump.
func (c Change) String() string {
	path := string(appendEscaped(nil, c.Path, false))
	switch c.Kind {
	case Added:
		return "+ " + path
	case Removed:
		return "- " + path
	case Changed:
		return "~ " + path + " (" + strings.Join(c.details(), ", ") + ")"
	}
	return "? " + path
}

// details says of each aspect that differs how it does.
func (c Change) details() []string {
	var out []string
	add := func(aspect Aspect, format string, args ...any) {
		if c.What&aspect != 0 {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	a, b := c.Old, c.New
	add(TypeAspect, "%s -> %s", typeName(a), typeName(b))
	add(ModeAspect, "mode %o -> %o", a.Mode&^typeBits, b.Mode&^typeBits)
	add(OwnerAspect, "owner %d:%d -> %d:%d", a.UID, a.GID, b.UID, b.GID)
	add(MtimeAspect, "mtime %s -> %s", a.Mtime, b.Mtime)
	add(XattrsAspect, "xattrs%s", xattrChanges(a, b))
	add(ContentAspect, "%s", contentChange(a, b))
	add(TargetAspect, "target %q -> %q", a.Target, b.Target)
	add(DeviceAspect, "device %s -> %s", deviceName(a), deviceName(b))
	add(LinksAspect, "%s", linksChange(a, b))
	return out
}

const typeBits = unix.S_IFMT

func typeName(n *Node) string {
	switch n.Type() {
	case unix.S_IFREG:
		return "file"
	case unix.S_IFDIR:
		return "directory"
	case unix.S_IFLNK:
		return "symbolic link"
	case unix.S_IFCHR:
		return "character device"
	case unix.S_IFBLK:
		return "block device"
	case unix.S_IFIFO:
		return "fifo"
	case unix.S_IFSOCK:
		return "socket"
	}
	return fmt.Sprintf("type %o", n.Type())
}

// String is the time as a dump has it: seconds, and nanoseconds after those.
func (t Time) String() string { return fmt.Sprintf("%d.%d", t.Sec, t.Nsec) }

// xattrChanges lists names: " +new -gone ~other".
func xattrChanges(a, b *Node) string {
	var out strings.Builder
	for _, x := range a.Xattrs {
		value, ok := b.Xattr(x.Name)
		switch {
		case !ok:
			out.WriteString(" -" + x.Name)
		case !bytes.Equal(x.Value, value):
			out.WriteString(" ~" + x.Name)
		}
	}
	for _, x := range b.Xattrs {
		if _, ok := a.Xattr(x.Name); !ok {
			out.WriteString(" +" + x.Name)
		}
	}
	return out.String()
}

func contentChange(a, b *Node) string {
	if a.Size() != b.Size() {
		return fmt.Sprintf("size %d -> %d", a.Size(), b.Size())
	}
	return "content"
}

func linksChange(a, b *Node) string {
	if a.Nlink != b.Nlink {
		return fmt.Sprintf("links %d -> %d", a.Nlink, b.Nlink)
	}
	return "linked with other names"
}

func deviceName(n *Node) string {
	dev := uint64(n.Rdev)
	return fmt.Sprintf("%d:%d", unix.Major(dev), unix.Minor(dev))
}
