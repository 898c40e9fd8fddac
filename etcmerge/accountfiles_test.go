package etcmerge

import (
	"os"
	"path/filepath"
	"testing"
)

// TestAccountFiles merges account files with everything that a file has.
func TestAccountFiles(t *testing.T) {
	t.Parallel()
	const (
		base  = `echo root:x:0:0::/:/bin/sh >passwd; echo 'root:*:1::::::' >shadow; chmod 640 shadow; chown 0:42 shadow; echo root:x:0: >group; `
		local = `echo ann:x:1000:0::/:/bin/sh >>passwd; `
		svc   = `echo svc:x:990:0::/:/bin/sh >>passwd; `
		both  = `printf 'root:x:0:0::/:/bin/sh\nann:x:1000:0::/:/bin/sh\nsvc:x:990:0::/:/bin/sh\n' >passwd; `
	)
	for _, c := range []struct{ name, current, new, want string }{
		{"content on both sides, and the later time", local + `touch -d @5000 passwd`, svc + `touch -d @4000 passwd`, both + `touch -d @5000 passwd`},
		{"the image's is the later time", local + `touch -d @5000 passwd`, svc + `touch -d @6000 passwd`, both + `touch -d @6000 passwd`},
		{"a mode here, and content of the image", `chmod 600 passwd; touch -d @1 passwd`, svc + `touch -d @4000 passwd`, svc + `chmod 600 passwd; touch -d @4000 passwd`},
		{"a mode of the image, and content here", local + `touch -d @7 passwd`, `chmod 600 passwd; touch -d @8 passwd`, local + `chmod 600 passwd; touch -d @8 passwd`},
		{"an owner here, an attribute of the image", `chown 3:4 shadow; touch -d @1 shadow`, `setfattr -n user.x -v y shadow; chmod 600 shadow; touch -d @2 shadow`, `chown 3:4 shadow; touch -d @1 shadow`},
		{"only here", local + `touch -d @9 passwd`, `touch -d @8 passwd`, local + `touch -d @9 passwd`},
		{"a link here", `mv passwd real; ln -s real passwd; touch -h -d @1 real passwd`, svc, `mv passwd real; ln -s real passwd; touch -h -d @1 real passwd`},
		{"a link in the image", local + `touch -d @9 passwd`, `ln -sf real passwd`, local + `touch -d @9 passwd`},
		{"gone from the image, untouched", ``, `rm group`, `rm group`},
		{"gone from the image, changed", `echo x:x:5: >>group; touch -d @4 group`, `rm group`, `echo x:x:5: >>group; touch -d @4 group`},
		{"empty here", `: >group; touch -d @4 group`, `echo new:x:7: >>group; touch -d @5 group`, `echo new:x:7: >group; touch -d @5 group`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			d := dirs{filepath.Join(dir, "p"), filepath.Join(dir, "c"), filepath.Join(dir, "n"), filepath.Join(dir, "w")}
			for path, script := range map[string]string{d.pristine: "", d.current: c.current, d.new: c.new, d.want: c.want} {
				must(t, os.Mkdir(path, 0o755))
				shell(t, path, base+`touch -d @0 *; `+script)
				shell(t, path, `touch -d @0 .`)
			}
			apply(t, d)
			shell(t, d.new, `touch -d @0 .`)
			sameListing(t, "merged", d.want, d.new)
		})
	}
}
