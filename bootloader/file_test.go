package bootloader

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bootc-go/bootc/bootloader/bls"
	"github.com/bootc-go/bootc/composefs/verity"
	"github.com/bootc-go/bootc/kargs"
)

// The files are named and sorted as docs/reference/boot-entries.md says.
func TestFiles(t *testing.T) {
	t.Parallel()
	first, second := testEntry("new"), testEntry("old")
	first.OSID, first.Version, first.Title = "opensuse-leap", "15.6 (beta)", "openSUSE\nLeap"
	first.Options = kargs.Parse(`"x=a b" quiet y="c d"`).WithRoot(first.Root)
	first.Tries = &Tries{Left: 3}
	first.Extra = []bls.Field{{Key: "devicetree", Value: "/x.dtb"}}
	id, old := first.ID.String(), second.ID.String()
	v, env := "bootc_tries_1_"+id[:16], `"$bootdir"'/grub/grubenv'`
	counted := "menuentry 'openSUSE Leap' --id 'bootc_opensuse_leap-15.6__beta_-1' {\n" +
		"\tif [ \"$" + v + "\" = 3-0 ]; then\n\t\tset " + v + "=2-1\n" +
		"\telif [ \"$" + v + "\" = 2-1 ]; then\n\t\tset " + v + "=1-2\n" +
		"\telif [ \"$" + v + "\" = 1-2 ]; then\n\t\tset " + v + "=0-3\n\tfi\n" +
		"\tsave_env --file " + env + " " + v + "\n" +
		"\tlinux \"$bootdir\"'/bootc_composefs-" + id + "/vmlinuz' 'x=a b' 'quiet' 'y=c d' 'composefs=" + id + "'\n" +
		"\tinitrd \"$bootdir\"'/bootc_composefs-" + id + "/initrd'\n}\n"
	tests := []struct {
		kind Kind
		want map[string]string
	}{
		{Systemd, map[string]string{
			"bootc_opensuse_leap-15.6__beta_-1+3-0.conf": "title openSUSE Leap\nversion 15.6 (beta)\n" +
				"linux /EFI/Linux/bootc_composefs-" + id + "/vmlinuz\ninitrd /EFI/Linux/bootc_composefs-" + id + "/initrd\n" +
				`options x="a b" quiet y="c d" composefs=` + id + "\nsort-key bootc-opensuse-leap-0\ndevicetree /x.dtb\n",
			"bootc_debian-13-0.conf": "title old\nversion 13\n" +
				"linux /EFI/Linux/bootc_composefs-" + old + "/vmlinuz\ninitrd /EFI/Linux/bootc_composefs-" + old + "/initrd\n" +
				"options composefs=" + old + "\nsort-key bootc-opensuse-leap-1\n",
			"bootc-generation": "1\n",
		}},
		{GRUB, map[string]string{
			"bootc_opensuse_leap-15.6__beta_-1+3-0.conf": "title openSUSE Leap\nversion 15.6 (beta)\n" +
				"linux /bootc_composefs-" + id + "/vmlinuz\ninitrd /bootc_composefs-" + id + "/initrd\n" +
				`options x="a b" quiet y="c d" composefs=` + id + "\nsort-key bootc-opensuse-leap-0\ndevicetree /x.dtb\n",
			"bootc_debian-13-0.conf": "title old\nversion 13\n" +
				"linux /bootc_composefs-" + old + "/vmlinuz\ninitrd /bootc_composefs-" + old + "/initrd\n" +
				"options composefs=" + old + "\nsort-key bootc-opensuse-leap-1\n",
			"bootc-generation": "1\n",
			"grub.cfg": "# bootc writes this file together with the entries beside it.\nset fallback=\"1\"\n" +
				"if [ -f " + env + " ]; then\n\tload_env --file " + env + " " + v + "\nfi\n" +
				"if [ -z \"$" + v + "\" ]; then\n\tset " + v + "=3-0\nfi\n" +
				"if [ \"$" + v + "\" != 0-3 ]; then\n" + counted + "fi\n" +
				"menuentry 'old' --id 'bootc_debian-13-0' {\n" +
				"\tlinux \"$bootdir\"'/bootc_composefs-" + old + "/vmlinuz' 'composefs=" + old + "'\n" +
				"\tinitrd \"$bootdir\"'/bootc_composefs-" + old + "/initrd'\n}\n" +
				"if [ \"$" + v + "\" = 0-3 ]; then\n" + counted + "fi\n",
		}},
	}
	for _, tt := range tests {
		t.Run(string(tt.kind), func(t *testing.T) {
			t.Parallel()
			l, dir := newTestLoader(t, tt.kind)
			must(t, l.AddKernel(t.Context(), testKernel("new")))
			must(t, l.AddKernel(t.Context(), testKernel("old")))
			must(t, l.Stage([]Entry{first, second}))
			must(t, l.Commit())
			got := map[string]string{}
			for _, name := range fileNamesIn(t, filepath.Join(dir, live)) {
				data, err := os.ReadFile(filepath.Join(dir, live, name))
				must(t, err)
				got[name] = string(data)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
			menu, err := l.Menu()
			must(t, err)
			if menu[0].OSID != "opensuse-leap" || menu[1].OSID != "debian" || len(menu[0].Extra) != 1 || menu[0].Tries == nil {
				t.Errorf("read back: %+v", menu)
			}
		})
	}
}

// Names fit into FAT's 255 characters with tries, have only characters that it and the
// specification allow, and differ however alike the versions are.
func TestFileNames(t *testing.T) {
	t.Parallel()
	versions := []string{"", "1", "1", "1/2\\:*?\"<>|", "ä+1-2", strings.Repeat("9", 300), strings.Repeat("9", 301), "a", "A", "x", "y"}
	var names []string
	for i, v := range versions {
		e := Entry{OSID: strings.Repeat("-ö", 100), Version: v, Tries: &Tries{Left: 3}}
		name := e.fileName(i, len(versions)).String()
		if len(name) > 200 || strings.Trim(strings.TrimSuffix(name, "+3-0.conf"), "abcdefghijklmnopqrstuvwxyzA0123456789._-") != "" {
			t.Errorf("name %q", name)
		}
		if strings.Count(name, "-") != 3 {
			t.Errorf("the parts of %q cannot be told", name)
		}
		names = append(names, strings.ToLower(name))
	}
	slices.Sort(names)
	if len(slices.Compact(names)) != len(versions) {
		t.Errorf("some names are the same: %q", names)
	}
}

// Entries that upstream wrote are understood.
func TestReadUpstreams(t *testing.T) {
	t.Parallel()
	id := verity.Sum(verity.SHA512, []byte("x"))
	hex := id.String()
	tests := []struct {
		name, file string
		want       Entry
	}{
		{
			"GRUB with /boot on the root", "title Fedora\nversion 44\nlinux /boot/bootc_composefs-" + hex + "/vmlinuz\n" +
				"initrd /boot/bootc_composefs-" + hex + "/initrd\noptions rw composefs=?" + hex + "\nsort-key bootc-fedora-0\n",
			Entry{ID: id, Root: kargs.Root{ID: id, Optional: true}, Title: "Fedora", Version: "44", Options: kargs.Parse("rw composefs=?" + hex), Kernel: KernelName(id)},
		},
		{
			"UKI", "title Fedora\nversion 44\nuki /EFI/Linux/bootc/bootc_composefs-" + hex + ".efi\nsort-key bootc-fedora-0\n",
			Entry{ID: id, Root: kargs.Root{ID: id}, Title: "Fedora", Version: "44", UKI: true, Kernel: UKIName(id)},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l, dir := newTestLoader(t, GRUB)
			must(t, os.MkdirAll(filepath.Join(dir, live), 0o755))
			must(t, os.WriteFile(filepath.Join(dir, live, "bootc_fedora-44-1.conf"), []byte(tt.file), 0o600))
			tt.want.OSID, tt.want.File = "fedora", "bootc_fedora-44-1.conf"
			menu, err := l.Menu()
			must(t, err)
			if d := cmp.Diff([]Entry{tt.want}, menu, cmp.Comparer(func(a, b verity.Digest) bool { return a == b })); d != "" {
				t.Error(d)
			}
		})
	}
}

// What is read can be written, and is then read the same.
func FuzzEntry(f *testing.F) {
	id := testEntry("x").ID.String()
	linux := area{path: "EFI/Linux"}
	uki := area{path: ukiPath}
	f.Add("bootc_a-b-1+3-0.conf", "title x\nlinux /bootc_composefs-"+id+"/vmlinuz\noptions composefs="+id+"\nsort-key bootc-a-0\n")
	f.Add("bootc_a-b-1.conf", "efi /bootc_composefs-"+id+".efi\nx y\nx z\n")
	f.Fuzz(func(t *testing.T, file, content string) {
		name, ok := bls.ParseName(file)
		fields, err := bls.Parse([]byte(content))
		if !ok || err != nil {
			return
		}
		e, err := parseEntry(file, name, fields)
		if err != nil {
			return
		}
		data, err := e.format(sortKey(e.OSID, 0, 1), linux, uki)
		if err != nil {
			return // too long with what format adds, or a quote at either end
		}
		fields, err = bls.Parse(data)
		if err != nil {
			t.Fatalf("%v: %s", err, data)
		}
		again, err := parseEntry(file, name, fields)
		if err != nil {
			t.Fatalf("%v: %s", err, data)
		}
		if again.ID != e.ID || again.Root != e.Root || again.Kernel != e.Kernel || !slices.EqualFunc(again.Options, e.Options, kargs.Arg.Equal) || !slices.Equal(again.Extra, e.Extra) {
			t.Errorf("%+v became %+v", e, again)
		}
	})
}

// What would not reach the kernel whole is refused before anything of it is written.
func TestCheckOptions(t *testing.T) {
	t.Parallel()
	long := kargs.Line{kargs.Arg("x=" + strings.Repeat("y", 2045))}
	tests := []struct {
		kind Kind
		line kargs.Line
		want string
	}{
		{Systemd, long, ""},
		{Systemd, long.With("z"), "the kernel arguments have 2049 characters: the kernel ignores what is beyond 2047"},
		{GRUB, long, "the kernel ignores what is beyond 1877"},
		{GRUB, kargs.Parse(`root=x "a=b c"`), ""},
		{GRUB, kargs.Parse(`a='b'`), "GRUB cannot give the kernel the argument a='b'"},
		{Systemd, kargs.Parse(`a='b'`), ""},
		{Systemd, kargs.Line{"a=\"b\nc\""}, `have '\n' in them`},
		{None, nil, ""},
	}
	for _, tt := range tests {
		err := CheckOptions(tt.kind, tt.line)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %.20s: %v, want %s", tt.kind, tt.line, err, tt.want)
		}
	}
	l, _ := newTestLoader(t, Systemd)
	e := testEntry("new")
	e.Options = long.WithRoot(e.Root)
	must(t, l.AddKernel(t.Context(), testKernel("new")))
	if err := l.Stage([]Entry{e}); err == nil || !strings.Contains(err.Error(), "ignores what is beyond") {
		t.Error(err)
	}
}
