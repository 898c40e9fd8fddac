// Package e2e tests bootc in real machines: it builds images as a user would,
// installs them on disks, and boots those, see internal/testvm. There is nothing
// in it but tests.
//
// # How to write one
//
//	func TestUpgrade(t *testing.T) {
//		t.Parallel()
//		h := bootHost(t, platform{Loader: "systemd"}) // installed with v1, booted, follows registry.test/acme/os:latest
//		h.serve(v2(t))                                // what the registry has under that name from now on
//		h.Run("bootc upgrade")                        // as root; must succeed; returns stdout
//		r := h.Try("bootc upgrade --tag nonsense")    // may fail
//		h.Reboot("systemctl reboot")                  // waits until the next system is up and well
//		status := h.status()                          // what bootc status says
//	}
//
// bootHost goes on from a snapshot of a host that has booted and has fs-verity on, which is
// made once for each platform and takes half a second to load. bootDisk really boots. A
// boot costs 25 seconds of processor time, and emulation makes all else in the machine ten
// times slower than outside: put many assertions into one boot, and
// do outside what can be done there. Disks, snapshots and images are built once and kept in
// build/cache, keyed by the sources; a machine works on an overlay of them.
//
// A test that boots often and is about a rare case takes turns with others: it begins with
// testshare.SkipUnlessDue and a number. docs/explanation/testing.md lists who has which.
//
// A new image is best made with testimage.Append, which takes no time; what must
// be built by a package manager has a Containerfile in testdata.
//
// A power cut is a testvm.CutDisk: run the story once, without a cut, then ask it
// what would be on the disk had the power failed at any moment of the story.
package e2e
