// Package host is the document that says what a host runs and will run, BootcHost,
// as JSON, as YAML and for humans.
package host

import (
	"time"
)

// The names of the document's type.
const (
	APIVersion = "org.containers.bootc/v1"
	Kind       = "BootcHost"
	Name       = "host" // metadata.name; there is one host only
)

// Host is the document.
type Host struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       Spec     `json:"spec"`
	Status     Status   `json:"status"`
}

// New returns a document of the current version that says nothing yet.
func New() *Host {
	return &Host{
		APIVersion: APIVersion, Kind: Kind, Metadata: Metadata{Name: Name},
		Spec: Spec{BootOrder: BootDefault},
	}
}

// Metadata is what of Kubernetes' object metadata has a use here.
type Metadata struct {
	Name string `json:"name,omitempty"`
}

// Spec is what is wanted. It follows from the status: the image is that of the
// staged deployment, else that of the booted one.
type Spec struct {
	Image     *ImageReference `json:"image"`
	BootOrder BootOrder       `json:"bootOrder"`
}

// BootOrder says which deployment boots next.
type BootOrder string

// The boot orders.
const (
	BootDefault  BootOrder = "default"
	BootRollback BootOrder = "rollback"
)

// Type says what kind of host this is; it is null where nothing is booted by bootc.
type Type string

// BootcHost is a host that runs a deployment of bootc.
const BootcHost Type = "bootcHost"

// Status is what is there.
type Status struct {
	Staged           *BootEntry         `json:"staged"`
	Booted           *BootEntry         `json:"booted"`
	Rollback         *BootEntry         `json:"rollback"`
	OtherDeployments []BootEntry        `json:"otherDeployments,omitempty"`
	RollbackQueued   bool               `json:"rollbackQueued"` // the rollback deployment boots next
	Type             *Type              `json:"type"`
	UsrOverlay       *FilesystemOverlay `json:"usrOverlay"`
	ReadOnly         bool               `json:"readOnly"` // /sysroot is on a medium that cannot be written

	// FailedUpdates are images that were installed, did not boot well and were given up,
	// oldest first. Upstream's document has no such key.
	FailedUpdates []FailedUpdate `json:"failedUpdates,omitempty"`

	// MissedUpdate was staged, and the last shutdown could not apply it. Upstream's
	// document has no such key.
	MissedUpdate *MissedUpdate `json:"missedUpdate,omitempty"`
}

// MissedUpdate is an update that the host did without because its shutdown failed to put
// it in place.
type MissedUpdate struct {
	Image       string    `json:"image"` // reference that it came from; empty if that is not known
	ImageDigest string    `json:"imageDigest"`
	Version     *string   `json:"version"`
	Verity      string    `json:"verity"` // id of the deployment
	Reason      string    `json:"reason"`
	Recorded    time.Time `json:"recorded"`
}

// FailedUpdate is an image that is not installed again until it is forgiven.
type FailedUpdate struct {
	Image       string     `json:"image"` // reference that it came from
	ImageDigest string     `json:"imageDigest"`
	Version     *string    `json:"version"`
	Verity      string     `json:"verity"` // id of the deployment
	Reason      string     `json:"reason"`
	Output      *string    `json:"output"` // the end of what the check printed that failed
	Tries       uint       `json:"tries"`  // that the boot loader made
	FirstBoot   *time.Time `json:"firstBoot"`
	Recorded    time.Time  `json:"recorded"`
	BootIDs     []string   `json:"bootIds,omitempty"` // of those that reached userspace
}

// Trial is what is left of a deployment's tries to complete a boot.
type Trial struct {
	TriesLeft uint `json:"triesLeft"`
	TriesDone uint `json:"triesDone"`
}

// FilesystemOverlay is what lies over /usr.
type FilesystemOverlay struct {
	AccessMode  string `json:"accessMode"`  // AccessReadOnly or AccessReadWrite
	Persistence string `json:"persistence"` // Transient or Persistent
}

// How an overlay can be written to, and how long it lasts.
const (
	AccessReadOnly  = "readOnly"
	AccessReadWrite = "readWrite"
	Transient       = "transient"
	Persistent      = "persistent"
)

// BootEntry is one deployment.
type BootEntry struct {
	Image             *ImageStatus     `json:"image"`        // null if it is not known
	CachedUpdate      *ImageStatus     `json:"cachedUpdate"` // what the last look for an update found
	Incompatible      bool             `json:"incompatible"` // made by something else than bootc
	Pinned            bool             `json:"pinned"`
	SoftRebootCapable bool             `json:"softRebootCapable"`
	DownloadOnly      bool             `json:"downloadOnly"` // staged, but a reboot does not apply it
	Store             *string          `json:"store"`        // always null for composefs
	Ostree            *OstreeStatus    `json:"ostree"`
	Composefs         *ComposefsStatus `json:"composefs"`
	Trial             *Trial           `json:"trial,omitempty"` // nil once it has completed a boot; upstream has no such key
}

// ImageStatus is the image that a deployment was made of.
type ImageStatus struct {
	Image        ImageReference `json:"image"`
	Version      *string        `json:"version"`
	Timestamp    *time.Time     `json:"timestamp"` // when the image was built
	ImageDigest  string         `json:"imageDigest"`
	Architecture string         `json:"architecture"`
}

// OstreeStatus is a deployment of ostree. We make none, but read documents that have some.
type OstreeStatus struct {
	Stateroot    string `json:"stateroot"`
	Checksum     string `json:"checksum"`
	DeploySerial uint32 `json:"deploySerial"`
}

// ComposefsStatus is a deployment of composefs.
type ComposefsStatus struct {
	Verity               string  `json:"verity"`     // the deployment's id
	BootType             string  `json:"bootType"`   // BLS or UKI
	Bootloader           string  `json:"bootloader"` // "grub", "grub-cc", "systemd" or "none"
	BootDigest           *string `json:"bootDigest"` // SHA-256 of kernel and initramfs
	MissingVerityAllowed bool    `json:"missingVerityAllowed"`
}

// The boot types.
const (
	BLS = "Bls"
	UKI = "Uki"
)
