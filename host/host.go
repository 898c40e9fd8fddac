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
	Metadata   Metadata `json:"metadata" default:"{}"`
	Spec       Spec     `json:"spec" doc:"what is wanted; it follows from the status" default:"{\"bootOrder\":\"default\"}"`
	Status     Status   `json:"status" doc:"what is there" default:"{}"`
}

// New returns a document of the current version that says nothing yet.
func New() *Host {
	return &Host{
		APIVersion: APIVersion, Kind: Kind, Metadata: Metadata{Name: Name},
		Spec: Spec{BootOrder: BootDefault},
	}
}

// Metadata is what of Kubernetes' object metadata has a use here.
// Only the name is ever written.
type Metadata struct {
	Name        string            `json:"name,omitempty"`
	Namespace   string            `json:"namespace,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Spec is what is wanted. It follows from the status: the image is that of the
// staged deployment, else that of the booted one.
type Spec struct {
	Image     *ImageReference `json:"image" doc:"the image of the staged deployment, else of the booted one"`
	BootOrder BootOrder       `json:"bootOrder" enum:"default,rollback" default:"\"default\"" doc:"which deployment boots next"`
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
	Staged           *BootEntry         `json:"staged" doc:"boots next, unless it is download-only"`
	Booted           *BootEntry         `json:"booted" doc:"runs; null if bootc did not deploy what runs"`
	Rollback         *BootEntry         `json:"rollback" doc:"what 'bootc rollback' goes back to"`
	OtherDeployments []BootEntry        `json:"otherDeployments,omitempty" doc:"pinned ones, and what will be collected"`
	RollbackQueued   bool               `json:"rollbackQueued" default:"false" doc:"the rollback deployment boots next"`
	Type             *Type              `json:"type" enum:"bootcHost" doc:"the kind of host; null if bootc did not deploy what runs"`
	UsrOverlay       *FilesystemOverlay `json:"usrOverlay" doc:"what lies over /usr"`
	ReadOnly         bool               `json:"readOnly" default:"false" doc:"/sysroot is on a medium that cannot be written"`

	// Upstream's document has no such keys.

	FailedUpdates []FailedUpdate `json:"failedUpdates,omitempty" doc:"images that were installed, did not boot well and were given up, oldest first"`
	MissedUpdate  *MissedUpdate  `json:"missedUpdate,omitempty" doc:"was staged, and the last shutdown could not apply it"`
}

// MissedUpdate is an update that the host did without because its shutdown failed to put
// it in place.
type MissedUpdate struct {
	Image       string    `json:"image" doc:"reference that it came from; empty if that is not known"`
	ImageDigest string    `json:"imageDigest"`
	Version     *string   `json:"version"`
	Verity      string    `json:"verity" doc:"id of the deployment"`
	Reason      string    `json:"reason"`
	Recorded    time.Time `json:"recorded"`
}

// FailedUpdate is an image that is not installed again until it is forgiven.
type FailedUpdate struct {
	Image       string     `json:"image" doc:"reference that it came from"`
	ImageDigest string     `json:"imageDigest"`
	Version     *string    `json:"version"`
	Verity      string     `json:"verity" doc:"id of the deployment"`
	Reason      string     `json:"reason"`
	Output      *string    `json:"output" doc:"the end of what the check printed that failed"`
	Tries       uint       `json:"tries" doc:"that the boot loader made"`
	FirstBoot   *time.Time `json:"firstBoot"`
	Recorded    time.Time  `json:"recorded"`
	BootIDs     []string   `json:"bootIds,omitempty" doc:"of those boots that reached userspace"`
}

// Trial is what is left of a deployment's tries to complete a boot.
type Trial struct {
	TriesLeft uint `json:"triesLeft"`
	TriesDone uint `json:"triesDone"`
}

// FilesystemOverlay is what lies over /usr.
type FilesystemOverlay struct {
	AccessMode  string `json:"accessMode" enum:"readOnly,readWrite"`
	Persistence string `json:"persistence" enum:"transient,persistent"`
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
	Image             *ImageStatus     `json:"image" doc:"null if it is not known"`
	CachedUpdate      *ImageStatus     `json:"cachedUpdate" doc:"what the last look for an update found"`
	Incompatible      bool             `json:"incompatible" doc:"made by something else than bootc"`
	Pinned            bool             `json:"pinned" doc:"stays until it is unpinned"`
	SoftRebootCapable bool             `json:"softRebootCapable" default:"false" doc:"a soft reboot from what runs leads to it"`
	DownloadOnly      bool             `json:"downloadOnly" default:"false" doc:"staged, but a reboot does not apply it"`
	FactoryReset      bool             `json:"factoryReset,omitempty" doc:"staged, with a new /etc and /var; absent otherwise; upstream has no such key"`
	Store             *string          `json:"store" enum:"ostreeContainer" default:"null" doc:"always null with composefs"`
	Ostree            *OstreeStatus    `json:"ostree"`
	Composefs         *ComposefsStatus `json:"composefs"`
	Trial             *Trial           `json:"trial,omitempty" doc:"absent once it has completed a boot; upstream has no such key"`
}

// ImageStatus is the image that a deployment was made of.
type ImageStatus struct {
	Image        ImageReference `json:"image"`
	Version      *string        `json:"version"`
	Timestamp    *time.Time     `json:"timestamp" doc:"when the image was built"`
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
	Verity               string  `json:"verity" doc:"id of the deployment"`
	BootType             string  `json:"bootType" enum:"Bls,Uki"`
	Bootloader           string  `json:"bootloader" enum:"grub,grub-cc,systemd,none"`
	BootDigest           *string `json:"bootDigest" doc:"SHA-256 of kernel and initramfs"`
	MissingVerityAllowed bool    `json:"missingVerityAllowed"`

	// Upstream's document has no such key.

	UKIAddons []string `json:"ukiAddons,omitempty" doc:"names of the addons of the unified kernel image that were chosen; absent if none were, or if it has all"`
}

// The boot types.
const (
	BLS = "Bls"
	UKI = "Uki"
)
