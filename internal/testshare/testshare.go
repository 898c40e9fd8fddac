// Package testshare has test cases take turns. A run of all tests takes a share of the cases
// that are too many for every run; which one follows from the number of commits, so that
// each case runs within Shares commits. "make test-all" takes all of them.
package testshare

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// Shares is how many shares there are. It is a prime: landings of several commits each meet
// all shares in turn unless they have a multiple of Shares commits.
const Shares = 7

// EnvVar names the environment variable that says which share a test process takes:
// "all", or a number from 0 to Shares-1. Without it a process takes all.
const EnvVar = "BOOTC_SHARE"

// NotDue begins the message of a case that is not due. testrun counts such a case apart from
// skipped tests.
const NotDue = "not due: "

// Due reports whether this run takes the case number n. Cases whose numbers are equal modulo
// Shares are in one share.
func Due(t testing.TB, n int) bool {
	t.Helper()
	text := os.Getenv(EnvVar)
	if text == "" || text == "all" {
		return true
	}
	share, err := Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", EnvVar, err)
	}
	return n%Shares == share
}

// SkipUnlessDue ends the test unless the case number n is due.
func SkipUnlessDue(t testing.TB, n int) {
	t.Helper()
	if !Due(t, n) {
		t.Skipf("%sit belongs to share %d", NotDue, n%Shares)
	}
}

// Parse reads the number of a share.
func Parse(text string) (int, error) {
	share, err := strconv.Atoi(text)
	if err != nil || share < 0 || share >= Shares {
		return 0, fmt.Errorf("the share %q is not \"all\" or a number from 0 to %d", text, Shares-1)
	}
	return share, nil
}

// OfCommit is the share of the commit that git describes: count is what "git rev-list
// --count HEAD" prints, id the commit's id. A clone without history has one commit, whatever
// its number: the id stands in.
func OfCommit(count, id string, shallow bool) (int, error) {
	text, base := strings.TrimSpace(count), 10
	if shallow {
		text, base = strings.TrimSpace(id)[:min(7, len(strings.TrimSpace(id)))], 16
	}
	n, err := strconv.ParseInt(text, base, 64)
	if err != nil {
		return 0, fmt.Errorf("cannot tell the share from %q: %w", text, err)
	}
	return int(n % Shares), nil
}
