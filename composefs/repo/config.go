package repo

import (
	"fmt"

	"github.com/bootc-go/bootc/composefs/verity"
)

// Config is what a repository is made with. The zero Config is the usual one:
// SHA-512, fs-verity required, images of version 1.
type Config struct {
	Algorithm verity.Algorithm // 0 means SHA512
	Insecure  bool             // objects need no fs-verity
	ErofsV0   bool             // images are of version 0, as mkcomposefs writes them by default
}

func (c Config) algorithm() verity.Algorithm {
	if c.Algorithm == 0 {
		return verity.SHA512
	}
	return c.Algorithm
}

func (c Config) erofsVersion() int {
	if c.ErofsV0 {
		return 0
	}
	return 1
}

// String says what two configurations may differ in.
func (c Config) String() string { return describe(c.algorithm(), c.Insecure, c.erofsVersion()) }

func describe(alg verity.Algorithm, insecure bool, version int) string {
	mode := "fs-verity required"
	if insecure {
		mode = "insecure"
	}
	return fmt.Sprintf("%s, %s, images of version %d", alg, mode, version)
}
