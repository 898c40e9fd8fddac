package deploy

import (
	"encoding/json"
	"os"

	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/internal/atomicfile"
)

// remembered is the file /run/composefs/cached-update: what the last look for an
// update found, for the status. It holds for the deployment that ran and the image
// that it followed, and until the next boot.
type remembered struct {
	Booted verity.Digest    `json:"booted"`
	Target string           `json:"target"` // as in an origin
	Image  host.ImageStatus `json:"image"`
}

const (
	rememberedName = "cached-update"
	maxRemembered  = 64 << 10 // bytes
)

// Remember lets the status tell of an update. If that cannot be, nothing is lost: of
// those who only look not everyone may write, and the status just does not tell.
func (s *Sysroot) Remember(u *Update) {
	if s.sys.Booted.ID.IsZero() || u.Target.Switch {
		return
	}
	data, err := json.Marshal(remembered{s.sys.Booted.ID, formatImage(u.Target), u.imageStatus()})
	if err != nil {
		return
	}
	_ = s.withMarkerDir(func(dir *os.File) error {
		return atomicfile.WriteFile(dir, rememberedName, data, 0o644)
	})
}

// remembered is what is known of an update of the deployment that runs, whose origin
// is o; nil if nothing. What cannot be read is as good as nothing.
func (s *Sysroot) remembered(o origin) *host.ImageStatus {
	run, err := os.OpenRoot(fdPath(s.sys.Run))
	if err != nil {
		return nil
	}
	defer run.Close()
	data, err := readSmall(run, markerDir+"/"+rememberedName, maxRemembered)
	if err != nil {
		return nil
	}
	var r remembered
	err = json.Unmarshal(data, &r)
	if err != nil || r.Booted != s.sys.Booted.ID || r.Target != formatImage(o.target) || r.Target == "" {
		return nil
	}
	return &r.Image
}
