package install

import (
	"strings"

	"github.com/bootc-go/bootc/kargs"
)

// commandLine is what the kernel gets: what finds the root, what the
// configuration and the image add, less what is deleted, and last what the
// command line adds, so that it wins.
func (in *installer) commandLine(p place, ofImage kargs.Line) kargs.Line {
	line := p.args
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
