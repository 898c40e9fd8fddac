package tree

import "testing"

// Numbers that an earlier index left in the inodes, or that came with a copy of
// one, are none.
func TestIndexIgnoresOtherNumbers(t *testing.T) {
	t.Parallel()
	a, b, c := NewDir(0o755), NewDir(0o755), NewDir(0o755)
	var old Index
	for i, n := range []*Node{a, b, c} {
		if number, known := old.Add(n); number != i || known {
			t.Fatalf("Add of a new inode = %d, %v, want %d, false", number, known, i)
		}
	}
	var x Index
	for _, n := range []*Node{a, b, c} {
		if _, known := x.Find(n); known {
			t.Fatal("a new index knows an inode")
		}
	}
	if number, known := x.Add(c); number != 0 || known {
		t.Fatalf("Add of the first inode = %d, %v, want 0, false", number, known)
	}
	if number, known := x.Add(c); number != 0 || !known || x.Len() != 1 {
		t.Fatalf("Add of the first inode again = %d, %v (of %d), want 0, true (of 1)", number, known, x.Len())
	}
	twin := *c
	if _, known := x.Find(&twin); known {
		t.Fatal("the copy of an inode is known")
	}
	if _, known := x.Find(a); known {
		t.Fatal("an inode with the number of another is known")
	}
}
