package install

import (
	"strings"

	"github.com/bootc-go/bootc/kargs"
	"github.com/bootc-go/bootc/setuproot"
)

// commandLine is what the kernel gets: what finds the root and mounts the other file
// systems, what the configuration and the image add, less what is deleted, and last what
// the command line adds, so that it wins. Who mounts /var in a way of his own is not
// contradicted.
func (in *installer) commandLine(p place, ofImage kargs.Line) kargs.Line {
	line := in.lineFrom(p, p.args, ofImage)
	if a := p.ownVar.arg(); a != "" && !setuproot.MountsVar(line, in.fstab) {
		return in.lineFrom(p, p.args.With(a), ofImage)
	}
	return line
}

func (in *installer) lineFrom(p place, line, ofImage kargs.Line) kargs.Line {
	if d := in.Config.DiscoverablePartitions; p.discoverable && d != nil && *d {
		line = line.WithoutKey("root")
	}
	for _, a := range in.Config.Kargs {
		line = line.With(kargs.Parse(a)...)
	}
	line = line.With(ofImage...)
	for _, del := range append(in.Config.KargDeletes, in.KargDeletes...) {
		if strings.Contains(del, "=") {
			line = line.Without(kargs.Arg(del))
		} else {
			line = line.WithoutKey(del)
		}
	}
	if in.DisableSELinux {
		line = line.With("selinux=0")
	}
	return line.With(in.Kargs...)
}
