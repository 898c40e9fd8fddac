package lint

import (
	"errors"
	"io/fs"
	"path"
	"strings"
)

// machineRules are about what belongs to one machine, and not to an image.
func machineRules() []Rule {
	return []Rule{
		{
			Name: "home-directories", Type: Warning, check: checkHomes,
			Description: "/root and /home must be links to directories of /var: the root file system is read-only.",
		},
		{
			Name: "machine-id", Type: Warning, check: checkMachineID,
			Description: "/etc/machine-id must be empty or \"uninitialized\": machines that share one have the same\n" +
				"address by DHCP, and the same journal.",
		},
		{
			Name: "machine-secrets", Type: Warning, check: checkMachineSecrets,
			Description: "Host keys of SSH, seeds of random numbers and keys of credentials must not be in an image:\n" +
				"who has the image has them, too, and all hosts have the same.",
		},
		{
			Name: "sysusers", Type: Warning, check: checkSysusers,
			Description: "Users in /etc/passwd and groups in /etc/group should be in sysusers.d: where a host has\n" +
				"changed these files, an upgrade may not bring new ones.",
		},
	}
}

func checkHomes(r *root) error {
	var bad []string
	for _, name := range []string{"root", "home"} {
		dir, err := r.isDir(name)
		if err != nil {
			return err
		}
		if dir {
			bad = append(bad, "/"+name)
		}
	}
	l := r.list()
	l.add("Found directories that will be read-only; move them to /var and leave links", bad)
	return l.finding()
}

func checkMachineID(r *root) error {
	data, err := r.ReadFile("etc/machine-id", 4096)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return judge(err)
	}
	if id := strings.TrimSpace(string(data)); id != "" && id != "uninitialized" {
		return found("/etc/machine-id is that of one machine; empty it: : >/etc/machine-id")
	}
	return nil
}

func checkMachineSecrets(r *root) error {
	var bad []string
	entries, err := r.ReadDir("etc/ssh")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if ok, _ := path.Match("ssh_host_*_key", e.Name()); ok {
			bad = append(bad, "/etc/ssh/"+e.Name())
		}
	}
	for _, name := range []string{"var/lib/systemd/random-seed", "var/lib/systemd/credential.secret", "boot/loader/random-seed", "var/lib/urandom/random-seed"} {
		st, err := r.lookup(name)
		if err != nil {
			return err
		}
		if st != nil && st.Size() > 0 {
			bad = append(bad, "/"+name)
		}
	}
	l := r.list()
	l.add("Found secrets of one machine", quoted(bad))
	return l.finding()
}
