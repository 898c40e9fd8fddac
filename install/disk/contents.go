package disk

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// CheckEmpty refuses a disk on which there is anything, ErrNotEmpty, and says what.
func (d *Disk) CheckEmpty(ctx context.Context) error {
	found, err := d.contents(ctx)
	if err == nil && len(found) > 0 {
		err = fmt.Errorf("%w: it holds %s", ErrNotEmpty, strings.Join(found, " and "))
	}
	if err != nil {
		return fmt.Errorf("cannot use %s: %w", d.name, err)
	}
	return nil
}

// contents says what the disk holds: its partition tables and file systems.
func (d *Disk) contents(ctx context.Context) ([]string, error) {
	out, err := d.tool(ctx, "", "wipefs", "--json", "--no-act")
	if err != nil {
		return nil, err
	}
	var doc struct {
		Signatures []struct{ Type, Label, UUID string }
	}
	if len(out) > 0 { // nothing at all for an empty disk
		if err := json.Unmarshal(out, &doc); err != nil {
			return nil, fmt.Errorf("output of wipefs: %w", err)
		}
	}
	var found []string
	seen := map[string]bool{}
	for _, s := range doc.Signatures {
		if seen[s.Type] { // a GPT has two copies and a protective MBR
			continue
		}
		seen[s.Type] = true
		switch s.Type {
		case "PMBR":
		case "gpt", "dos":
			names, err := d.partitions(ctx)
			if err != nil {
				return nil, err
			}
			found = append(found, fmt.Sprintf("a %s partition table with %s", s.Type, names))
		default:
			found = append(found, signature(s.Type, s.Label, s.UUID))
		}
	}
	return found, nil
}

func signature(typ, label, uuid string) string {
	var more []string
	if label != "" {
		more = append(more, fmt.Sprintf("label %q", label))
	}
	if uuid != "" {
		more = append(more, "UUID "+uuid)
	}
	if len(more) == 0 {
		return typ
	}
	return fmt.Sprintf("%s (%s)", typ, strings.Join(more, ", "))
}

// partitions names the partitions in the disk's table.
func (d *Disk) partitions(ctx context.Context) (string, error) {
	out, err := d.tool(ctx, "", "sfdisk", "--json")
	if err != nil {
		return "", err
	}
	var doc struct {
		Partitiontable struct {
			Partitions []struct{ Name, Type string }
		}
	}
	if err := json.Unmarshal(out, &doc); err != nil {
		return "", fmt.Errorf("output of sfdisk: %w", err)
	}
	var names []string
	for _, p := range doc.Partitiontable.Partitions {
		if p.Name == "" {
			p.Name = "type " + p.Type
		}
		names = append(names, p.Name)
	}
	switch len(names) {
	case 0:
		return "no partitions", nil
	case 1:
		return "1 partition: " + names[0], nil
	}
	return fmt.Sprintf("%d partitions: %s", len(names), strings.Join(names, ", ")), nil
}
