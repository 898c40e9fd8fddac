package osimage

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// addonSuffix ends the names of the files that are addons.
const addonSuffix = ".addon.efi"

// ErrNoAddon means that an image lacks an addon that was asked for.
var ErrNoAddon = errors.New("no addon of the unified kernel image is called")

// AddonNames are the names by which users choose the addons: those of their files
// without ".addon.efi".
func (k Kernel) AddonNames() []string {
	var names []string
	for _, file := range k.Addons {
		names = append(names, addonName(file))
	}
	return names
}

func addonName(file string) string { return strings.TrimSuffix(path.Base(file), addonSuffix) }

// WithAddons is the kernel, which is of the image fsys, with those of its addons that
// are named, and no others. What comes with an ErrNoAddon has those that there are.
func (k Kernel) WithAddons(fsys fs.FS, names []string) (Kernel, error) {
	chosen := k
	chosen.Addons = nil
	for _, file := range k.Addons {
		if slices.Contains(names, addonName(file)) {
			chosen.Addons = append(chosen.Addons, file)
			continue
		}
		st, err := fs.Stat(fsys, file)
		if err != nil {
			return k, err
		}
		chosen.Size -= st.Size()
	}
	missing := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(k.AddonNames(), n) })
	if len(missing) == 0 {
		return chosen, nil
	}
	return chosen, fmt.Errorf("%w %s: %s", ErrNoAddon, quoted(missing), k.offer())
}

// offer says which addons there are.
func (k Kernel) offer() string {
	switch {
	case k.Type != UKI:
		return "the image has no unified kernel image"
	case len(k.Addons) == 0:
		return "the image has none"
	}
	return "the image has " + quoted(k.AddonNames())
}

func quoted(names []string) string {
	var out []string
	for _, n := range names {
		out = append(out, fmt.Sprintf("%q", n))
	}
	return strings.Join(out, ", ")
}
