package erofs

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/composefs/tree"
)

// victim is an image that a test damages. Offsets of inodes come from the
// plan, so that a damage hits what it is meant to hit.
type victim struct {
	img  []byte
	root *tree.Node
	p    *plan
}

func newVictim(t testing.TB) *victim {
	t.Helper()
	root := holding(directory(0o755),
		"a", holding(directory(0o755), "b", holding(directory(0o755), "c", inline("c")), "x", inline("x")),
		"big", directory(0o755), "file", with(inline("content"), "user.a", "1", "user.b", "2"), "same", with(inline("s"), "user.b", "2"),
		"external", external(10<<20, "x"), "fat", inline(text(200)), "link", symlink("to"), "pipe", node(0o10644))
	for i := range 300 {
		root.Child("big").SetChild(fmt.Sprintf("%03d-%s", i, text(20)), node(0o100644))
	}
	v := &victim{img: image(t, root, Options{}), root: root}
	var err error
	if v.p, err = newPlan(root, Options{}); err != nil {
		t.Fatal(err)
	}
	return v
}

// at is where the inode at path is.
func (v *victim) at(path string) int {
	n := v.root
	for name := range strings.SplitSeq(path, "/") {
		if name != "" {
			n = n.Child(name)
		}
	}
	for i := range v.p.inodes {
		if v.p.inodes[i].node == n {
			return int(v.p.inodes[i].nid) * slotSize
		}
	}
	panic("no inode for " + path)
}

func (v *victim) nid(path string) uint64 { return uint64(v.at(path) / slotSize) }

// tail is where the inline data of a compact inode without xattrs is.
func (v *victim) tail(path string) int { return v.at(path) + compactSize }

func (v *victim) put16(at, n int)          { le.PutUint16(v.img[at:], uint16(n)) }
func (v *victim) put32(at int, n uint32)   { le.PutUint32(v.img[at:], n) }
func (v *victim) put64(at int, n uint64)   { le.PutUint64(v.img[at:], n) }
func (v *victim) puts(at int, s string)    { copy(v.img[at:], s) }
func (v *victim) blocksOf(path string) int { return int(le.Uint32(v.img[v.at(path)+16:])) * blockSize }

// Places in an inode and in the superblock.
const (
	inFormat, inXcount, inMode, inNlink, inSize, inAddr = 0, 2, 4, 6, 8, 16
	inBody                                              = compactSize
	superBlocks                                         = superStart + 36
)

var damages = map[string]struct {
	do   func(v *victim)
	want string
}{
	"no magic":            {func(v *victim) { v.put32(0, 1) }, "no composefs header"},
	"new version":         {func(v *victim) { v.put32(12, 3) }, "unknown version 1.3"},
	"new header":          {func(v *victim) { v.put32(4, 2) }, "unknown version 2.0"},
	"no superblock":       {func(v *victim) { v.put32(superStart, 7) }, "no EROFS superblock"},
	"other blocks":        {func(v *victim) { v.img[superStart+12] = 9 }, "blocks of 1<<9"},
	"features":            {func(v *victim) { v.put32(superStart+80, 1) }, "unknown features"},
	"more blocks":         {func(v *victim) { v.put32(superBlocks, 1<<31) }, "blocks in"},
	"no blocks":           {func(v *victim) { v.put32(superBlocks, 0) }, "beyond the end"},
	"root at superblock":  {func(v *victim) { v.copyInode("", superStart+96); v.put16(superStart+14, 35) }, "overlap"},
	"root beyond the end": {func(v *victim) { v.put16(superStart+14, 65535) }, "beyond the end"},
	"root is a file":      {func(v *victim) { v.put16(superStart+14, int(v.nid("file"))) }, "root is not a directory"},
	"metadata far away":   {func(v *victim) { v.put32(superStart+40, 1<<32-1) }, "beyond the end"},
	"xattrs far away":     {func(v *victim) { v.put32(superStart+44, 1<<32-1) }, "shared xattr"},

	"unknown layout":    {func(v *victim) { v.put16(v.at("file")+inFormat, 6<<1) }, "unknown data layout"},
	"compressed":        {func(v *victim) { v.put16(v.at("file")+inFormat, 1<<1) }, "unknown data layout"},
	"unknown mode":      {func(v *victim) { v.put16(v.at("pipe")+inMode, 0o150644) }, "file type"},
	"no mode":           {func(v *victim) { v.put16(v.at("a/b/c")+inMode, 0) }, "inode of mode 0"},
	"fifo with content": {func(v *victim) { v.put32(v.at("pipe")+inSize, 10<<20) }, "bytes of content"},
	"long inline file":  {func(v *victim) { v.put32(v.at("file")+inSize, 1<<31+7) }, "bytes of data in the image"},
	"long symlink":      {func(v *victim) { v.put32(v.at("link")+inSize, 4096+2) }, "bytes of data in the image"},
	"empty symlink":     {func(v *victim) { v.put16(v.at("link")+inFormat, 0); v.put32(v.at("link")+inSize, 0) }, "symbolic link to nothing"},
	"NUL in symlink":    {func(v *victim) { v.puts(v.tail("link"), "a\x00") }, "NUL"},
	"inline nothing":    {func(v *victim) { v.put32(v.at("file")+inSize, 4096) }, "inline data of 0 bytes"},
	"blocks beyond end": {func(v *victim) { v.put32(v.at("big")+inAddr, 1<<32-1) }, "beyond the end"},
	"chunks in a dir":   {func(v *victim) { v.put16(v.at("a/b")+inFormat, chunkBased<<1) }, "list of chunks"},
	"small chunks":      {func(v *victim) { v.put32(v.at("external")+inAddr, 0) }, "in chunks of 1<<12"},
	"unknown chunks":    {func(v *victim) { v.put32(v.at("external")+inAddr, 0x20) }, "unknown chunk format"},
	"data in chunks":    {func(v *victim) { v.put32(v.tailOf("external"), 3) }, "chunks in the image"},
	"too large":         {func(v *victim) { v.growExternal(1 << 54) }, "in chunks"},
	"too large for us":  {func(v *victim) { v.growExternal(1<<53 + 1) }, "in chunks"},
	"nanoseconds":       {func(v *victim) { v.put32(superStart+32, 1e9) }, "nanoseconds"},
	"inode in an inode": {func(v *victim) { v.copyInode("a/x", v.at("fat")+64); v.put64(v.dirent("a", "x"), v.nid("fat")+2) }, "overlap"},
	"inode in the blocks": {func(v *victim) {
		v.puts(v.blocksOf("big")+256, strings.Repeat("\x00", 32))
		v.put64(v.dirent("a", "x"), uint64(v.blocksOf("big")/32))
	}, ""},

	"xattrs beyond end":     {func(v *victim) { v.put16(v.at("file")+inXcount, 65535) }, ""},
	"many shared xattrs":    {func(v *victim) { v.img[v.at("file")+inBody+4] = 255 }, "255 shared xattrs"},
	"shared xattr far away": {func(v *victim) { v.put32(v.at("file")+inBody+12, 1<<32-1) }, "shared xattr 4294967295"},
	"xattr name index":      {func(v *victim) { v.img[v.at("file")+inBody+16+1] = 7 }, "unknown name index"},
	"long xattr prefix":     {func(v *victim) { v.img[v.at("file")+inBody+16+1] = 0x80 }, "unknown name index"},
	"xattr too long":        {func(v *victim) { v.put16(v.at("file")+inBody+16+2, 65535) }, "where"},
	"xattr without name":    {func(v *victim) { v.puts(v.at("file")+inBody+16, "\x00\x00\x02\x00") }, "xattr without a name"},
	"NUL in xattr name":     {func(v *victim) { v.puts(v.at("file")+inBody+20, "\x00") }, "NUL in the name"},
	"xattr twice":           {func(v *victim) { v.puts(v.at("file")+inBody+20, "b") }, "twice"},
	"metacopy on a dir":     {func(v *victim) { v.retype("external", 0o40644) }, ""},
	"bad metacopy":          {func(v *victim) { v.replace("\x00\x24\x00\x01", "\x00\x24\x01\x01") }, "malformed trusted.overlay.metacopy"},
	"bad digest":            {func(v *victim) { v.replace("\x00\x24\x00\x01", "\x00\x24\x00\x02") }, "trusted.overlay.metacopy"},
	"no metacopy":           {func(v *victim) { v.replace("overlay.metacopy", "overlaz.metacopy") }, "without trusted.overlay.metacopy"},
	"relative redirect":     {func(v *victim) { v.replace("redirect/", "redirect.") }, "malformed trusted.overlay.redirect"},
	"redirect out":          {func(v *victim) { v.replace("redirect/", "redirect/../../") }, "leaves the objects"},
	"other overlay xattr":   {func(v *victim) { v.replace("overlay.redirect", "overlay.redirecu") }, "means nothing"},
	"root not opaque":       {func(v *victim) { v.replace("overlay.opaquey", "overlay.opaquex") }, "means nothing"},

	"loop": {func(v *victim) {
		v.put64(v.dirent("a/b", "c"), v.nid("a"))
		v.img[v.dirent("a/b", "c")+10] = ftDirectory
	}, "directory under two names"},
	"loop to the root": {func(v *victim) { v.put64(v.dirent("a", "b"), v.nid("")) }, "directory under two names"},
	"two names":        {func(v *victim) { v.put64(v.dirent("a", "b"), v.nid("big")) }, "directory under two names"},
	"nid far away":     {func(v *victim) { v.put64(v.dirent("a", "b"), 1<<63) }, "beyond the end"},
	"nid wraps around": {func(v *victim) { v.put64(v.dirent("a", "b"), 1<<59+v.nid("a/b")) }, "beyond the end"},
	"wrong type":       {func(v *victim) { v.img[v.dirent("a", "x")+10] = ftFifo }, "file type"},
	"unknown type":     {func(v *victim) { v.img[v.dirent("a", "x")+10] = 0 }, "file type"},
	"wrong self":       {func(v *victim) { v.put64(v.dirent("a", "."), v.nid("")) }, `"."`},
	"wrong parent":     {func(v *victim) { v.put64(v.dirent("a/b", ".."), v.nid("")) }, `".."`},
	"no dots": {func(v *victim) {
		v.put64(v.dirent("a/b", "."), v.nid("file"))
		v.img[v.dirent("a/b", ".")+10] = ftRegular
		v.puts(v.name("a/b", "."), "%")
	}, ". and .. are not there"},
	"slash":      {func(v *victim) { v.puts(v.name("a", "b"), "/") }, "slash"},
	"NUL inside": {func(v *victim) { v.puts(v.firstOf("big")+9, "\x00") }, "NUL"},
	"NUL":        {func(v *victim) { v.puts(v.name("a", "b"), "\x00") }, "not sorted"},
	"empty name": {func(v *victim) { v.puts(v.name("a", "x"), "\x00") }, "not sorted"},
	"twice":      {func(v *victim) { v.puts(v.name("a", "x"), "b") }, "twice"},
	"unsorted":   {func(v *victim) { v.puts(v.name("a", "x"), "a") }, "not sorted"},
	"unsorted in blocks": {func(v *victim) {
		v.puts(v.blocksOf("big")+blockSize+int(le.Uint16(v.img[v.blocksOf("big")+blockSize+8:])), "0")
	}, "not sorted"},
	"no room for entries": {func(v *victim) { v.put16(v.dirent("a", ".")+8, 0) }, "first name"},
	"odd first name":      {func(v *victim) { v.put16(v.dirent("a", ".")+8, 25) }, "first name"},
	"first name far away": {func(v *victim) { v.put16(v.dirent("a", ".")+8, 12*300) }, "first name"},
	"name before entries": {func(v *victim) { v.put16(v.dirent("a", "b")+8, 0) }, "name from"},
	"name far away":       {func(v *victim) { v.put16(v.dirent("a", "x")+8, 4000) }, "name from"},
	"tiny directory":      {func(v *victim) { v.put32(v.at("a/b")+inSize, 11) }, "11 bytes of entries"},
	"huge directory":      {func(v *victim) { v.put32(v.at("big")+inSize, 1<<32-4096) }, "beyond the end"},
	"shared blocks":       {func(v *victim) { v.shareBlocks("a/b", "big") }, "overlap"},
	"wrong links":         {func(v *victim) { v.put16(v.at("a")+inNlink, 2) }, "subdirectories"},
}

// dirent is where the entry called name of an inline directory is.
func (v *victim) dirent(dir, name string) int {
	start := v.tail(dir)
	end := start + int(le.Uint32(v.img[v.at(dir)+inSize:]))
	for at := start; ; at += direntSize {
		from, to := start+int(le.Uint16(v.img[at+8:])), end
		if first := start + int(le.Uint16(v.img[start+8:])); at+direntSize < first {
			to = start + int(le.Uint16(v.img[at+direntSize+8:]))
		}
		if string(v.img[from:to]) == name {
			return at
		}
	}
}

func (v *victim) name(dir, name string) int {
	return v.tail(dir) + int(le.Uint16(v.img[v.dirent(dir, name)+8:]))
}

// tailOf is where the tail of a compact inode with xattrs is.
func (v *victim) tailOf(path string) int {
	return v.at(path) + compactSize + int(bodyLen(le.Uint16(v.img[v.at(path)+inXcount:])))
}

// growExternal makes an extended inode of the one external file, in the image
// of a tree that has it so from the start.
func (v *victim) growExternal(size uint64) {
	v.root.Child("external").File.Size = 1 << 53
	*v = *rebuild(v.root)
	v.put64(v.at("external")+inSize, size)
}

func rebuild(root *tree.Node) *victim {
	v := &victim{root: root}
	v.p, _ = newPlan(root, Options{})
	var b bytes.Buffer
	_ = v.p.write(&b)
	v.img = b.Bytes()
	return v
}

// copyInode puts a copy of the inode at path elsewhere.
func (v *victim) copyInode(path string, at int) {
	copy(v.img[at:], v.img[v.at(path):][:compactSize])
}

// firstOf is where the first name in the blocks of a directory is.
func (v *victim) firstOf(dir string) int {
	return v.blocksOf(dir) + int(le.Uint16(v.img[v.blocksOf(dir)+8:]))
}

func (v *victim) retype(path string, mode int) { v.put16(v.at(path)+inMode, mode) }

func (v *victim) replace(from, to string) {
	at := bytes.Index(v.img, []byte(from))
	v.puts(at, to)
}

// shareBlocks gives one directory the blocks of another.
func (v *victim) shareBlocks(dir, other string) {
	copy(v.img[v.at(dir):][inSize:inAddr+4], v.img[v.at(other):][inSize:inAddr+4])
	v.put16(v.at(dir)+inFormat, int(le.Uint16(v.img[v.at(other)+inFormat:])))
	if v.at(other) < v.at(dir) {
		return
	}
	panic("the other directory must be read first")
}

func TestReadRefusesDamage(t *testing.T) {
	for name, d := range damages {
		t.Run(name, func(t *testing.T) {
			v := newVictim(t)
			readImage(t, v.img)
			d.do(v)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Read(bytes.NewReader(v.img), int64(len(v.img)))
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), d.want) || !strings.HasPrefix(err.Error(), "cannot read the composefs image: ") {
				t.Errorf("err = %v, want one with %q", err, d.want)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 4<<20 {
				t.Errorf("allocated %d bytes for an image of %d", took, len(v.img))
			}
		})
	}
}

// Every prefix of an image, every size that a caller may believe it has, and
// every flipped byte is refused or read, without a panic.
func TestReadSurvivesAnything(t *testing.T) {
	v := newVictim(t)
	for n := 0; n < len(v.img); n += 397 {
		if _, err := Read(bytes.NewReader(v.img[:n]), int64(n)); err == nil {
			t.Errorf("read the first %d bytes of %d", n, len(v.img))
		}
		if _, err := Read(bytes.NewReader(v.img[:n]), 10<<30); err == nil {
			t.Errorf("read %d bytes that were said to be more", n)
		}
	}
	for at := inodeStart; at < len(v.img); at += 29 {
		old := v.img[at]
		v.img[at] ^= byte(1 << (at / 29 % 8))
		_, _ = Read(bytes.NewReader(v.img), int64(len(v.img)))
		v.img[at] = old
	}
	if _, err := Read(bytes.NewReader(nil), -1); err == nil {
		t.Error("read an image of size -1")
	}
}

// An image that nests deeper than any path is refused: who walks the tree may
// do so recursively. mkcomposefs makes it, as Write refuses to.
func TestReadRefusesDeepNesting(t *testing.T) {
	dump := bytes.NewBufferString("/ 0 40755 2 0 0 0 0.0 - - -\n")
	for i := range maxDepth {
		fmt.Fprintf(dump, "%s 0 40755 2 0 0 0 0.0 - - -\n", strings.Repeat("/d", i+1))
	}
	img, err := oracles[0].image(t, dump.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Read(bytes.NewReader(img), int64(len(img))); err == nil || !strings.Contains(err.Error(), "directories deep") {
		t.Errorf("err = %v", err)
	}
}

// A few thousand directories that all have the same large block of entries
// would be a tree of millions of nodes.
func TestReadDoesNotMultiply(t *testing.T) {
	root := directory(0o755)
	for i := range 2000 {
		root.SetChild(fmt.Sprintf("dir-%04d", i), directory(0o755))
	}
	for i := range 3000 {
		root.Child("dir-0000").SetChild(fmt.Sprintf("%04d", i), linked(inline(""), 1))
	}
	v := rebuild(holding(root))
	from := v.img[v.at("dir-0000"):]
	for i := 1; i < 2000; i++ {
		to := v.img[v.at(fmt.Sprintf("dir-%04d", i)):]
		copy(to[inSize:inAddr+4], from[inSize:inAddr+4])
		le.PutUint16(to, le.Uint16(from))
	}
	if _, err := Read(bytes.NewReader(v.img), int64(len(v.img))); err == nil || !strings.Contains(err.Error(), "overlap") {
		t.Errorf("err = %v", err)
	}
}
