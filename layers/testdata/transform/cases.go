//go:build ignore

package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"

	"golang.org/x/sys/unix"
)

type example struct {
	comment string
	make    func(b *builder)
}

// base makes the directories that every bootable image has.
func base(b *builder) {
	for _, d := range []string{"usr", "usr/bin", "usr/lib", "etc", "boot", "sysroot", "run"} {
		b.mkdir(d, 0o755)
	}
	b.file("usr/bin/sh", strings.Repeat("#!", 400), 0o755)
}

// policy adds an SELinux policy of the given lines.
func policy(b *builder, contexts ...string) {
	b.file("etc/selinux/config", "# comment\nSELINUX=permissive\nSELINUXTYPE=test\n", 0o644)
	b.file("etc/selinux/test/contexts/files/file_contexts", lines(append([]string{"/.* u:object_r:default_t:s0", "/usr(/.*)? u:object_r:usr_t:s0"}, contexts...)...), 0o644)
}

func lines(l ...string) string { return strings.Join(l, "\n") + "\n" }

func kernel(b *builder) {
	b.file("usr/lib/modules/6.1.0/vmlinuz", strings.Repeat("kernel", 30), 0o755)
	b.file("usr/lib/modules/6.1.0/initramfs.img", "initrd", 0o644)
}

// pe is a PE image with sections of the given names, in its last bytes.
func pe(names ...string) string {
	data := make([]byte, 64+24+40*len(names)+16)
	binary.LittleEndian.PutUint32(data[60:], 64)
	copy(data[64:], "PE\x00\x00")
	binary.LittleEndian.PutUint16(data[64+6:], uint16(len(names)))
	for i, name := range names {
		h := data[64+24+40*i:]
		copy(h[:8], name)
		binary.LittleEndian.PutUint32(h[8:], 16)
		binary.LittleEndian.PutUint32(h[20:], uint32(len(data)-16))
	}
	return string(data)
}

// aboot is an Android boot image with the given header fields.
func aboot(version, pageSize, headerSize uint32) string {
	data := make([]byte, 4096)
	copy(data, "ANDROID!")
	binary.LittleEndian.PutUint32(data[36:], pageSize)
	binary.LittleEndian.PutUint32(data[40:], version)
	binary.LittleEndian.PutUint32(data[1644:], headerSize)
	return string(data)
}

// with is an image with base and more.
func with(comment string, more func(b *builder)) example {
	return example{comment, func(b *builder) { base(b); more(b) }}
}

func bls(content string) func(b *builder) {
	return func(b *builder) {
		kernel(b)
		b.file("boot/vmlinuz", "k", 0o644)
		b.mkdir("boot/dir", 0o755)
		b.symlink("boot/link", "vmlinuz")
		b.file("boot/loader/entries/a.conf", content, 0o644)
	}
}

func cases() map[string]example {
	all := map[string]example{
		"empty":  with("No kernel, no policy, nothing.", func(*builder) {}),
		"kernel": with("A kernel and an initrd.", kernel),
		"run-content": with("What is in /run goes, names of it elsewhere stay.", func(b *builder) {
			b.file("run/secrets/token", "t", 0o600)
			b.link("usr/token", "run/secrets/token")
			b.file("run/twice", strings.Repeat("x", 100), 0o644)
			b.link("usr/lib/a", "run/twice")
			b.link("usr/lib/b", "run/twice")
			b.xattr("run", "user.kept", "x")
			b.chown("run", 7, 8)
		}),
		"run-missing": {"There is no /run.", func(b *builder) {
			for _, d := range []string{"usr", "boot", "sysroot"} {
				b.mkdir(d, 0o755)
			}
		}},
		"run-symlink": {"/run is a symbolic link.", func(b *builder) {
			b.mkdir("usr", 0o755)
			b.symlink("run", "usr")
		}},
		"usr-missing": {"There is no /usr.", func(b *builder) { b.mkdir("boot", 0o755) }},
		"usr-file":    {"/usr is a file.", func(b *builder) { b.file("usr", "", 0o644) }},
		"usr-special": {"The root gets what /usr has: mode, owner, time, attributes.", func(b *builder) {
			b.mkdir("usr", 0o1751)
			b.mkdir("boot", 0o700)
			b.mkdir("sysroot", 0o711)
			b.chown("usr", 1234, 5678)
			b.xattr("usr", "user.usr", "is root's")
			b.xattr("usr", "security.selinux", "stale")
			b.xattr("", "user.root", "goes")
			b.mtime("usr", 1_600_000_000, 999_999_999)
			b.mtime("boot", 1_500_000_000, 111)
			b.mtime("sysroot", 1_500_000_001, 0)
		}},
		"nsec-only-usr": {"The nanoseconds of /usr reach /boot, /sysroot and /run.", func(b *builder) {
			for _, d := range []string{"usr", "boot", "sysroot", "run"} {
				b.mkdir(d, 0o755)
				b.mtime(d, 1_650_000_000, 0)
			}
			b.mtime("usr", 1_650_000_000, 5)
		}},
		"nsec-only-boot": {"Nor do those of /boot, /sysroot and /run stay.", func(b *builder) {
			for i, d := range []string{"usr", "boot", "sysroot", "run"} {
				b.mkdir(d, 0o755)
				b.mtime(d, 1_650_000_000, int64(i))
			}
		}},
		"boot-missing":    {"There is no /boot.", func(b *builder) { b.mkdir("usr", 0o755); b.mkdir("sysroot", 0o755) }},
		"sysroot-missing": {"There is no /sysroot.", func(b *builder) { b.mkdir("usr", 0o755); b.mkdir("boot", 0o755) }},
		"sysroot-symlink": {"/sysroot is a symbolic link.", func(b *builder) {
			b.mkdir("usr", 0o755)
			b.mkdir("boot", 0o755)
			b.symlink("sysroot", "usr")
		}},
		"xattrs": with("Attributes that stay and go.", func(b *builder) {
			capability := "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
			b.file("usr/bin/ping", "p", 0o755)
			b.xattr("usr/bin/ping", "security.capability", capability)
			b.xattr("usr/bin/ping", "user.a", "1")
			b.xattr("usr/bin/ping", "trusted.overlay.opaque", "y")
			b.xattr("usr/bin/ping", "security.selinux", "u:object_r:stale_t:s0\x00")
			b.xattr("usr/bin", "user.overlay.opaque", "x")
			b.xattr("usr/bin", "security.ima", "x")
			b.xattr("etc", "user.b", strings.Repeat("v", 300))
		}),
		"whiteouts": with("Devices 0:0 are kept as files.", func(b *builder) {
			b.node("usr/lib/gone", unix.S_IFCHR|0o600, 0, 0)
			b.node("etc/gone", unix.S_IFCHR, 0, 0)
			b.xattr("usr/lib", "user.x", "y")
			b.node("usr/null", unix.S_IFCHR|0o666, 1, 3)
			b.node("usr/disk", unix.S_IFBLK|0o660, 259, 300_000)
			b.node("usr/fifo", unix.S_IFIFO|0o600, 0, 0)
			b.node("usr/socket", unix.S_IFSOCK|0o600, 0, 0)
		}),
		"stub-names": with("Names that the image writer adds too.", func(b *builder) {
			b.file("00", "zero", 0o644)
			b.mkdir("ff", 0o755)
			policy(b, "/00 u:object_r:zero_t:s0")
		}),
		"policy": with("Labels.", func(b *builder) {
			kernel(b)
			policy(b, "/usr/bin/.* -- u:object_r:bin_t:s0", "/etc(/.*)? u:object_r:etc_t:s0", "/etc/none.* <<none>>", "/ -d u:object_r:root_t:s0")
			b.file("etc/none", "", 0o600)
			b.xattr("etc/none", "security.selinux", "u:object_r:stale_t:s0")
			b.symlink("usr/bin/link", "sh")
			b.file("boot/x", "", 0o644)
		}),
		"policy-root-none": with("The root has no label, and so the stubs have none.", func(b *builder) {
			policy(b, "/ <<none>>")
		}),
		"policy-aliases": with("Substitutions, at directories and files, and one that leads on.", func(b *builder) {
			policy(b, "/usr/lib(/.*)? u:object_r:lib_t:s0", "/usr/lib/one u:object_r:one_t:s0", "/data/.* u:object_r:data_t:s0", "/deep/x u:object_r:deep_t:s0")
			dir := "etc/selinux/test/contexts/files/file_contexts"
			b.file(dir+".subs", lines("/lib64 /usr/lib", "/srv/a /data/a", "/o /p", "/p/q /deep"), 0o644)
			b.file(dir+".subs_dist", lines("/lib64 /usr/lib", "/opt /data"), 0o644)
			b.file(dir+".local", lines("/data/local u:object_r:local_t:s0"), 0o644)
			b.file(dir+".homedirs", lines("/data/home u:object_r:home_t:s0"), 0o644)
			for _, f := range []string{"lib64/one", "lib64/two", "srv/a", "srv/b", "o/q/x", "opt/local", "opt/home", "opt/x"} {
				b.file(f, "", 0o644)
			}
		}),
		"policy-hardlinks": with("Names of one file with labels that differ are split.", func(b *builder) {
			policy(b, "/etc(/.*)? u:object_r:etc_t:s0", "/usr/bin/.* u:object_r:bin_t:s0", "/usr/none.* <<none>>")
			b.file("usr/z/file", strings.Repeat("content", 20), 0o644)
			b.chown("usr/z/file", 10, 20)
			for _, f := range []string{"usr/bin/one", "usr/bin/two", "etc/one", "etc/two", "usr/none1", "usr/none2", "usr/lib/x", "usr/zz"} {
				b.link(f, "usr/z/file")
			}
			b.symlink("etc/link", "target")
			b.link("usr/bin/link", "etc/link")
			b.link("usr/bin/link2", "etc/link")
			b.node("etc/fifo", unix.S_IFIFO|0o600, 0, 0)
			b.link("usr/none-fifo", "etc/fifo")
			b.file("boot/shared", "s", 0o644)
			b.link("usr/lib/shared", "boot/shared")
			b.link("etc/shared", "boot/shared")
		}),
		"policy-no-config": with("A policy without /etc/selinux/config.", func(b *builder) {
			b.file("etc/selinux/test/contexts/files/file_contexts", "/.* x\n", 0o644)
			b.xattr("etc", "security.selinux", "stale")
		}),
		"policy-no-type": with("A configuration that names no policy.", func(b *builder) {
			b.file("etc/selinux/config", "SELINUX=disabled\n#SELINUXTYPE=x\n", 0o644)
		}),
		"policy-missing": with("The configuration names a policy that is not there.", func(b *builder) {
			b.file("etc/selinux/config", "SELINUXTYPE=mls\n", 0o644)
		}),
		"policy-config-link": with("The configuration is a symbolic link.", func(b *builder) {
			policy(b)
			b.file("etc/selinux/other", "SELINUXTYPE=test\n", 0o644)
			b.check(unix.Unlink(b.dir + "/etc/selinux/config"))
			b.symlink("etc/selinux/config", "other")
		}),
		"policy-dir-link": with("The policy's directory is a symbolic link.", func(b *builder) {
			policy(b)
			b.file("etc/selinux/config2", "", 0o644)
			b.check(unix.Rename(b.dir+"/etc/selinux/test", b.dir+"/etc/selinux/real"))
			b.made = nil
			b.symlink("etc/selinux/test", "real")
		}),
		"policy-etc-link": {"/etc is a symbolic link.", func(b *builder) {
			for _, d := range []string{"usr/etc", "boot", "sysroot"} {
				b.mkdir(d, 0o755)
			}
			b.symlink("etc", "usr/etc")
		}},
		"policy-escape": with("The configuration leads out.", func(b *builder) {
			b.file("etc/selinux/config", "SELINUXTYPE=../../usr\n", 0o644)
		}),
		"policy-absolute": with("An absolute name is read as a relative one.", func(b *builder) {
			policy(b)
			b.file("etc/selinux/config", "SELINUXTYPE=//test/./\n", 0o644)
		}),
		"bls":            with("An entry whose files are there.", bls(lines("title x", "linux /boot/vmlinuz", "initrd\tboot/vmlinuz", "linuxx /no", "options a"))),
		"bls-missing":    with("An entry for a kernel that is not there.", bls("linux /vmlinuz\n")),
		"bls-link":       with("An entry for a symbolic link.", bls("initrd /boot/link\n")),
		"bls-dir":        with("An entry for a directory.", bls("efi /boot/dir\n")),
		"bls-dotdot":     with("An entry with a path through the parent.", bls("linux /boot/dir/../vmlinuz\n")),
		"bls-dot":        with("An entry with a dot in the path.", bls("linux /boot/./vmlinuz\n")),
		"bls-first-dot":  with("An entry with a dot before the path.", bls("linux ./boot/vmlinuz\n")),
		"bls-empty":      with("An entry without a value.", bls("linux \n")),
		"bls-crlf":       with("An entry with carriage returns.", bls("linux /boot/vmlinuz\r\n")),
		"bls-binary":     with("An entry that is not UTF-8.", bls("title \xff\n")),
		"bls-long":       with("An entry in an object.", bls("linux /boot/vmlinuz\n"+strings.Repeat("# comment\n", 20))),
		"bls-is-dir":     with("An entry that is a directory.", func(b *builder) { b.mkdir("boot/loader/entries/a.conf", 0o755) }),
		"bls-is-link":    with("An entry that is a symbolic link.", func(b *builder) { b.symlink("boot/loader/entries/a.conf", "b") }),
		"loader-is-link": with("The directory of entries is behind a symbolic link.", func(b *builder) { b.symlink("boot/loader", "x") }),
		"uki": with("Unified kernel images.", func(b *builder) {
			kernel(b)
			b.file("boot/EFI/Linux/a.efi", pe(".linux"), 0o644)
			b.mkdir("boot/EFI/Linux/b.efi", 0o755)
		}),
		"uki-link":    with("A unified kernel image that is a symbolic link.", func(b *builder) { b.symlink("boot/EFI/Linux/a.efi.extra.d/x.addon.efi", "b") }),
		"uki-modules": with("A unified kernel image among modules that is a device.", func(b *builder) { b.node("usr/lib/modules/6/deep/x.efi", unix.S_IFIFO|0o600, 0, 0) }),
		"modules-link": with("/usr/lib is a symbolic link.", func(b *builder) {
			b.mkdir("usr/lib64", 0o755)
			b.check(unix.Rmdir(b.dir + "/usr/lib"))
			b.made = nil
			b.symlink("usr/lib", "lib64")
		}),
		"modules-odd": with("Kernels that are none.", func(b *builder) {
			b.file("usr/lib/modules/file", "", 0o644)
			b.symlink("usr/lib/modules/a/vmlinuz", "x")
			b.mkdir("usr/lib/modules/\xff/vmlinuz", 0o755)
		}),
		"modules-utf8": with("A kernel version that is not UTF-8.", func(b *builder) { b.file("usr/lib/modules/\xff/vmlinuz", "", 0o644) }),
		"aboot": with("An Android boot image.", func(b *builder) {
			b.file("boot/aboot-6.img", aboot(2, 2048, 1660), 0o644)
			b.file("boot/vbmeta-6.img", "", 0o644)
		}),
		"aboot-uki": with("A unified kernel image for a boot partition, beside an addon.", func(b *builder) {
			b.file("boot/aboot-6.img", pe(".linux", ".initrd"), 0o644)
			b.file("boot/EFI/Linux/a.addon.efi", "", 0o644)
		}),
		"aboot-version": with("An Android boot image of another version.", func(b *builder) { b.file("boot/aboot-6.img", aboot(3, 2048, 1660), 0o644) }),
		"aboot-header":  with("An Android boot image with a header that is too large.", func(b *builder) { b.file("boot/aboot-6.img", aboot(2, 1024, 1660), 0o644) }),
		"aboot-short":   with("An Android boot image that ends early.", func(b *builder) { b.file("boot/aboot-6.img", "ANDROID!", 0o644) }),
		"aboot-kernel":  with("An Android boot image beside a kernel.", func(b *builder) { kernel(b); b.file("boot/aboot-6.img", aboot(2, 2048, 1660), 0o644) }),
		"aboot-efi": with("An Android boot image beside a unified kernel image.", func(b *builder) {
			b.file("boot/EFI/Linux/a.efi", "", 0o644)
			b.file("boot/aboot-6.img", aboot(2, 2048, 1660), 0o644)
		}),
		"aboot-two": with("Two Android boot images.", func(b *builder) {
			b.file("boot/aboot-6.img", aboot(2, 2048, 1660), 0o644)
			b.file("boot/aboot-7.img", aboot(2, 2048, 1661), 0o644)
		}),
		"aboot-noversion": with("An Android boot image without a version.", func(b *builder) { b.file("boot/aboot-.img", aboot(2, 2048, 1660), 0o644) }),
		"aboot-vbmeta":    with("A vbmeta image alone.", func(b *builder) { b.file("boot/vbmeta-6.img", "", 0o644) }),
		"aboot-uki-meta": with("A vbmeta image beside a unified kernel image.", func(b *builder) {
			b.file("boot/aboot-6.img", pe(".linux", ".initrd"), 0o644)
			b.file("boot/vbmeta-6.img", "", 0o644)
		}),
		"aboot-noinitrd": with("A unified kernel image without an initrd.", func(b *builder) { b.file("boot/aboot-6.img", pe(".linux"), 0o644) }),
		"aboot-cut":      with("A unified kernel image with a section past its end.", func(b *builder) { s := pe(".linux", ".initrd"); b.file("boot/aboot-6.img", s[:len(s)-1], 0o644) }),
		"aboot-other":    with("Something else.", func(b *builder) { b.file("boot/aboot-6.img", strings.Repeat("x", 100), 0o644) }),
		"aboot-link":     with("A symbolic link.", func(b *builder) { b.symlink("boot/aboot-6.img", "x") }),
	}
	for seed := range uint64(24) {
		all[fmt.Sprintf("random-%02d", seed)] = example{fmt.Sprintf("At random, from seed %d.", seed), func(b *builder) { random(b, rand.New(rand.NewPCG(seed, 94))) }}
	}
	return all
}

// random makes a tree of all that a tree may hold.
func random(b *builder, rnd *rand.Rand) {
	pick := func(from []string) string { return from[rnd.IntN(len(from))] }
	names := []string{"a", "b", "bin", "lib", "x y", "é", "\xff", "new\nline", "back\\slash", "=", "-", strings.Repeat("n", 200), "00", "tab\t"}
	dirs := []string{"usr", "etc", "boot", "sysroot", "opt"}
	if rnd.IntN(3) > 0 {
		dirs = append(dirs, "run")
	}
	for _, d := range dirs {
		b.mkdir(d, 0o700|uint32(rnd.IntN(64)))
	}
	b.mkdir("usr/lib", 0o755)
	if rnd.IntN(3) > 0 {
		policy(b, randomPolicy(rnd)...)
		if rnd.IntN(2) > 0 {
			b.file("etc/selinux/test/contexts/files/file_contexts.subs", "/opt/a /usr/bin\n/etc/b /usr\n/usr/lib/a /opt\n", 0o644)
		}
	}
	var files []string
	for range 10 + rnd.IntN(40) {
		path := pick(dirs) + "/" + pick(names)
		if exists(b, path) {
			continue
		}
		switch n := rnd.IntN(12); {
		case n < 3:
			b.mkdir(path, 0o755|uint32(rnd.IntN(8))<<9)
			dirs = append(dirs, path)
		case n < 7:
			b.file(path, strings.Repeat("data", []int{0, 1, 16, 17, 1024, 3000}[rnd.IntN(6)])[:], uint32(rnd.IntN(0o10000)))
			files = append(files, path)
		case n < 9 && len(files) > 0:
			b.link(path, pick(files))
		case n < 10:
			b.symlink(path, pick(names))
			files = append(files, path)
		default:
			types := []uint32{unix.S_IFCHR, unix.S_IFBLK, unix.S_IFIFO, unix.S_IFSOCK}
			b.node(path, types[rnd.IntN(4)]|0o640, uint32(rnd.IntN(3)), uint32(rnd.IntN(2)*70_000))
		}
		decorate(b, rnd, path)
	}
}

func exists(b *builder, path string) bool {
	var st unix.Stat_t
	return unix.Lstat(b.dir+"/"+path, &st) == nil
}

func decorate(b *builder, rnd *rand.Rand, path string) {
	if rnd.IntN(2) == 0 {
		b.chown(path, []int{0, 1000, 65535, 65536, 1 << 30}[rnd.IntN(5)], rnd.IntN(3)*40_000)
	}
	if rnd.IntN(2) == 0 {
		b.mtime(path, rnd.Int64N(1<<33), rnd.Int64N(2)*rnd.Int64N(1_000_000_000))
	}
	var st unix.Stat_t
	b.check(unix.Lstat(b.dir+"/"+path, &st))
	kind := st.Mode & unix.S_IFMT
	if rnd.IntN(3) == 0 && (kind == unix.S_IFREG || kind == unix.S_IFDIR) {
		b.xattr(path, "user."+string(rune('a'+rnd.IntN(3))), "value\x00\xff"[:rnd.IntN(7)])
	}
	if rnd.IntN(4) == 0 {
		b.xattr(path, "security.selinux", "u:object_r:stale_t:s0\x00")
		b.xattr(path, "trusted.x", "t")
	}
}

func randomPolicy(rnd *rand.Rand) []string {
	all := []string{
		"/usr/bin(/.*)? u:object_r:bin_t:s0", "/etc(/.*)? u:object_r:etc_t:s0", "/opt/[^/]+ -- u:object_r:opt_file_t:s0", "/opt/.* -l u:object_r:opt_link_t:s0",
		"/.*/b <<none>>", "/ -d u:object_r:root_t:s0", "/(usr|opt)/.*\\.so u:object_r:so_t:s0", "/etc/é u:object_r:accent_t:s0", "/.*[[:digit:]]+ u:object_r:number_t:s0",
		"/(?!usr/a).*/a u:object_r:not_usr_t:s0", "/.* -p u:object_r:fifo_t:s0", "/.*n{200} u:object_r:long_t:s0", "/opt/./.* u:object_r:deep_t:s0",
	}
	rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:3+rnd.IntN(len(all)-3)]
}
