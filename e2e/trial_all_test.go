//go:build extended

package e2e

// everyWay has GRUB go through all ways to fail as well, of which CI has time for some.
const everyWay = true
