package deploy

import (
	"os"
	"testing"
	"time"
)

// Every change touches the directory that others watch, be it done by the link that
// upstream's hosts have; looking does not.
func TestChangesAreAnnounced(t *testing.T) {
	t.Parallel()
	m := twoDeployments(t)
	watched := m.path("ostree/bootc/.")
	long := time.Unix(1000, 0)
	changed := func(what string, want bool, fn func()) {
		t.Helper()
		m.must(os.Chtimes(watched, long, long))
		fn()
		fi, err := os.Stat(watched)
		m.must(err)
		if got := !fi.ModTime().Equal(long); got != want {
			t.Errorf("%s: announced %t", what, got)
		}
	}
	changed("status", false, func() { m.wantPicture("booted 2 | rollback 1") })
	changed("rollback", true, func() { m.mustRollback(true) })
	changed("rollback back", true, func() { m.mustRollback(false) })
	m.push(v("3"))
	changed("upgrade", true, func() { m.mustUpgrade() })
	changed("upgrade again", false, func() {
		if _, err := m.upgrade(StageOptions{}); err != nil {
			t.Fatal(err)
		}
	})
	changed("lock", true, func() {
		if _, err := m.upgrade(StageOptions{DownloadOnly: true}); err != nil {
			t.Fatal(err)
		}
	})
	changed("pin", true, func() { m.must(m.pin(m.booted.ID, true)) })
	changed("pin again", false, func() { m.must(m.pin(m.booted.ID, true)) })
}
