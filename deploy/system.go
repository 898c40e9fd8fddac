package deploy

import (
	"context"
	"os"

	"github.com/bootc-go/bootc/bootloader"
	"github.com/bootc-go/bootc/image"
	"github.com/bootc-go/bootc/internal/progress"
	"github.com/bootc-go/bootc/kargs"
)

// System is what a host is made of, as far as deployments go.
type System struct {
	// Root is the root directory of the disk, which has the repository and the
	// deployments' state. It may be a mount that is attached nowhere.
	Root *os.File
	Run  *os.File // /run
	Etc  *os.File // /etc of the deployment that runs; nil if none does

	// Booted is the deployment that runs, whatever the menu says. A zero ID
	// means that none of this Root does.
	Booted kargs.Root

	SoftReboot bool // the systemd that runs knows soft reboots
	VarMoves   bool // with the next boot /var is another one, which is not mounted now

	Loader bootloader.Loader // nil only until FirstOptions brings one
	Image  image.Options     // how to reach registries
	Arch   string            // GOARCH of images

	// Bound keeps the images that OS images are bound to, in boundDir below Root. Where it
	// is nil an OS image that is bound to some is refused.
	Bound BoundStore

	// Tries is how often a fresh deployment may try to boot until one boot is complete,
	// [bootloader.MaxTries] at most; 0 trusts it at once.
	Tries uint

	// Progress also receives, as messages, what went wrong without doing harm.
	Progress progress.Func

	// Systemctl runs systemctl(1). It starts the unit that finalizes.
	Systemctl func(ctx context.Context, args ...string) error

	// Log, if set, receives what was done.
	Log func(Event)

	// Mounted, if set, tells whether anything is mounted from below a directory of Root.
	Mounted func(dir string) (bool, error)

	// Wait, if set, is called once if another bootc has to be waited for.
	Wait func()
}
