package disk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// BlockDevice is what lsblk(8) knows of a device, under its names. What is not known is
// nil.
type BlockDevice struct {
	Name      string        `json:"name"`
	Serial    *string       `json:"serial"`
	Model     *string       `json:"model"`
	PartLabel *string       `json:"partlabel"`
	PartType  *string       `json:"parttype"`
	PartUUID  *string       `json:"partuuid"`
	PartN     *int64        `json:"partn"`
	Children  []BlockDevice `json:"children"` // nil if there are none
	Size      int64         `json:"size"`     // in bytes
	MajMin    *string       `json:"maj:min"`
	Start     *int64        `json:"start"` // in sectors of 512 bytes
	Label     *string       `json:"label"`
	FSType    *string       `json:"fstype"`
	UUID      *string       `json:"uuid"`
	Path      *string       `json:"path"`
	PTType    *string       `json:"pttype"` // "gpt" or "dos"
	ReadOnly  *bool         `json:"ro"`
}

// Block is the block device called name, with what is on it. What lsblk(8) leaves out,
// where it is old or sees no database of udev, comes from sysfs and from the device.
func Block(ctx context.Context, name string) (BlockDevice, error) {
	d, err := block(ctx, name)
	if err != nil {
		err = fmt.Errorf("cannot list the block device %s: %w", name, err)
	}
	return d, err
}

func block(ctx context.Context, name string) (d BlockDevice, err error) {
	out, err := Tool(ctx, "", "lsblk", "--json", "--bytes", "--output-all", "--", name)
	if err != nil {
		return d, err
	}
	var doc struct {
		BlockDevices []BlockDevice `json:"blockdevices"`
	}
	if err := json.Unmarshal(out, &doc); err != nil {
		return d, fmt.Errorf("output of lsblk: %w", err)
	}
	if len(doc.BlockDevices) != 1 {
		return d, fmt.Errorf("lsblk knows %d such devices", len(doc.BlockDevices))
	}
	_, err = os.Stat("/run/udev/data")
	return doc.BlockDevices[0], doc.BlockDevices[0].complete(ctx, err == nil)
}

// complete adds what lsblk left out.
func (d *BlockDevice) complete(ctx context.Context, udev bool) error {
	if d.Path == nil {
		path := "/dev/" + d.Name
		d.Path = &path
	}
	if d.MajMin != nil {
		sysfs := filepath.Join("/sys/dev/block", strings.TrimSpace(*d.MajMin))
		d.Start = number(d.Start, sysfs, "start")
		d.PartN = number(d.PartN, sysfs, "partition")
	}
	if !udev {
		if err := d.probe(ctx); err != nil {
			return err
		}
	}
	for i := range d.Children {
		if err := d.Children[i].complete(ctx, udev); err != nil {
			return err
		}
	}
	return nil
}

// number is known, else what is in the file of sysfs; nil if there is no such file.
func number(known *int64, sysfs, name string) *int64 {
	text, err := os.ReadFile(filepath.Join(sysfs, name))
	if known != nil || err != nil {
		return known
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

// probe asks the device itself.
func (d *BlockDevice) probe(ctx context.Context) error {
	out, err := Tool(ctx, "", "blkid", "--probe", "--output", "export", *d.Path)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 2 {
		return nil // nothing on it
	}
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		to := map[string]**string{
			"PART_ENTRY_TYPE": &d.PartType, "PART_ENTRY_UUID": &d.PartUUID, "PART_ENTRY_NAME": &d.PartLabel,
			"PTTYPE": &d.PTType, "TYPE": &d.FSType, "UUID": &d.UUID, "LABEL": &d.Label,
		}[key]
		if to != nil && *to == nil {
			*to = &value
		}
	}
	return nil
}
