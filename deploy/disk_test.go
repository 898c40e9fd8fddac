package deploy

import "testing"

// TestAllocated has numbers counted by hand from Documentation/filesystems/fsverity.rst
// of Linux: behind the content stand the levels of the tree, 64 digests of SHA-512 to a
// block, unless one block is all there is; and a block with the descriptor.
func TestAllocated(t *testing.T) {
	t.Parallel()
	const k = 4096
	plain, verity := fileBlocks{size: k}, fileBlocks{size: k, hashes: 64}
	for _, tt := range []struct{ size, plain, verity int64 }{
		{0, 0, k},
		{1, k, 2 * k},
		{k, k, 2 * k},
		{k + 1, 2 * k, 4 * k},
		{64 * k, 64 * k, 66 * k},
		{64*k + 1, 65 * k, (65 + 2 + 1 + 1) * k},
		{64 * 64 * k, 4096 * k, (4096 + 64 + 1 + 1) * k},
	} {
		if got := plain.allocated(tt.size); got != tt.plain {
			t.Errorf("%d bytes: %d", tt.size, got)
		}
		if got := verity.allocated(tt.size); got != tt.verity {
			t.Errorf("%d bytes with fs-verity: %d, want %d", tt.size, got, tt.verity)
		}
	}
}
