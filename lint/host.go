package lint

import (
	"encoding/json"
	"errors"
	"io/fs"
	"strings"

	"github.com/bootc-go/bootc/boundimage"
)

// hostRules are about what a host needs to be upgraded.
func hostRules() []Rule {
	return []Rule{
		{
			Name: "bootc-installed", Type: Fatal, check: checkInstalled,
			Description: "A host needs /usr/bin/bootc and bootc-finalize-staged.service to be upgraded.",
		},
		{
			Name: "bound-images", Type: Fatal, check: checkBoundImages,
			Description: "The links in /usr/lib/bootc/bound-images.d must lead to valid files of Quadlet.",
		},
		{
			Name: "fstab-root", Type: Warning, check: checkFstab,
			Description: "A line for / in /etc/fstab has systemd remount the root file system, which is that of the\n" +
				"deployment and read-only.",
		},
		{
			Name: "signature-policy", Type: Fatal, check: checkPolicy,
			Description: "Upgrades need a valid containers-policy.json(5), in /etc/containers/policy.json.",
		},
	}
}

func checkInstalled(r *root) error {
	var missing []string
	for _, name := range []string{"usr/bin/bootc", "usr/lib/systemd/system/bootc-finalize-staged.service"} {
		st, err := r.Stat(name)
		if err != nil || !st.Mode().IsRegular() {
			missing = append(missing, "/"+name)
		}
	}
	l := r.list()
	l.add("Missing what upgrades need", missing)
	return l.finding()
}

func checkBoundImages(r *root) error {
	_, err := boundimage.Load(r)
	return judge(err)
}

func checkFstab(r *root) error {
	text, err := r.ReadFile("etc/fstab", maxText)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return judge(err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) > 1 && !strings.HasPrefix(fields[0], "#") && fields[1] == "/" {
			return found("/etc/fstab has a line for /; remove it, the kernel's command line says what the root is")
		}
	}
	return nil
}

func checkPolicy(r *root) error {
	for _, name := range []string{"etc/containers/policy.json", "usr/share/containers/policy.json"} {
		data, err := r.ReadFile(name, maxText)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return judge(err)
		}
		var policy struct {
			Default []json.RawMessage `json:"default"`
		}
		if err := json.Unmarshal(data, &policy); err != nil {
			return found("/%s: %v", name, err)
		}
		if len(policy.Default) == 0 {
			return found("/%s has no default", name)
		}
		return nil
	}
	return found("Missing /etc/containers/policy.json")
}
