package deploy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"unicode"

	"github.com/bootc-go/bootc/osimage"
)

// A choice of addons of unified kernel images is a list of their names, as
// [osimage.Kernel.AddonNames] has them: these are installed, and no others. It is the
// host's, and goes from each deployment to the next. A nil choice is all addons that an
// image has, as on hosts that were installed before there was a choice.

// What a choice is refused with.
var (
	// ErrLacksAddon means that the image has no addon of a name that was chosen.
	ErrLacksAddon = errors.New("the image lacks an addon that was chosen for this host")
	// ErrAddons means that a deployment is here already, with other addons.
	ErrAddons = errors.New("the addons of a deployment that is here cannot be changed")
)

// newChoice is the choice in order, each name once.
func newChoice(names []string) []string {
	if names == nil {
		return nil
	}
	return append([]string{}, slices.Compact(slices.Sorted(slices.Values(names)))...)
}

// choiceText is the choice as the origin has it, and as a sentence names it.
func choiceText(names []string) (text string, sentence string) {
	switch {
	case names == nil:
		return "", "all that its image has"
	case len(names) == 0:
		return "[]", "none"
	}
	b, err := json.Marshal(names)
	if err != nil { // strings can be encoded
		panic("internal error: " + err.Error())
	}
	return string(b), strings.Join(names, ", ")
}

// parseChoice reads what choiceText writes.
func parseChoice(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	var names []string
	if err := json.Unmarshal([]byte(text), &names); err != nil {
		return nil, fmt.Errorf("addons: %w", err)
	}
	for _, name := range names {
		if strings.ContainsFunc(name, unicode.IsControl) {
			return nil, fmt.Errorf("addons: %q has control characters", name)
		}
	}
	return names, nil
}

// chosen is the kernel with the addons of a choice.
func chosen(k osimage.Kernel, fsys fs.FS, names []string) (osimage.Kernel, error) {
	if names == nil {
		return k, nil
	}
	return k.WithAddons(fsys, names)
}

// wantedAddons are the choice of the update or, without one, that of the deployment that
// the update follows: the one that is staged, else the one that runs.
func (st *staging) wantedAddons() []string {
	if st.u != nil && st.u.Addons != nil {
		return newChoice(st.u.Addons)
	}
	o, err := st.s.origin(st.booted.ID)
	if len(st.menus.staged) > 0 {
		o, err = st.s.stagedOrigin(st.menus)
	}
	if err != nil {
		st.s.warn("it is not known which addons were chosen: %v", err)
	}
	return o.addons
}

// chooseAddons leaves of the candidate's kernel the addons of the choice, which the
// origin tells from then on. A deployment that is here has what it was installed with:
// a kernel that a menu names is not touched.
func (st *staging) chooseAddons(names []string) error {
	all := st.os.Kernel
	kernel, err := chosen(all, st.fsys, names)
	st.os.Kernel, st.origin.addons = kernel, names
	if errors.Is(err, osimage.ErrNoAddon) {
		return fmt.Errorf("%w: %w", ErrLacksAddon, err)
	}
	e, here := byID(st.menus.all(), st.id)
	if err != nil || !here {
		return err
	}
	o, _ := st.s.origin(e.ID)                // one that is not known has all
	has, _ := chosen(all, st.fsys, o.addons) // but for what it lacks
	if !slices.Equal(has.Addons, kernel.Addons) {
		return otherAddons(st.s.name(e), o.addons, names)
	}
	return nil
}

// checkAddons returns an error if the update chooses other addons, and nothing of it is
// to be fetched with which they would come.
func (s *Sysroot) checkAddons(m menus, u *Update, c Change) error {
	if u.Addons == nil || c == Available {
		return nil
	}
	e, _ := byID(m.live, s.sys.Booted.ID)
	if c == AlreadyStaged {
		e = m.staged[0]
	}
	o, _ := s.origin(e.ID) // one that is not known has all
	if o.addons != nil && slices.Equal(o.addons, newChoice(u.Addons)) {
		return nil
	}
	return otherAddons(s.name(e), o.addons, newChoice(u.Addons))
}

func otherAddons(name string, has, wants []string) error {
	_, is := choiceText(has)
	_, will := choiceText(wants)
	return fmt.Errorf("%w: %s has %s, not %s", ErrAddons, name, is, will)
}
