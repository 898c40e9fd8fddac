package testshare

import (
	"fmt"
	"testing"
)

// TestEachCaseComesUp checks that each case is in one share, and that consecutive commits
// meet all shares.
func TestEachCaseComesUp(t *testing.T) {
	met := map[int]bool{}
	for count := 1000; count < 1000+Shares; count++ {
		share, err := OfCommit(fmt.Sprintf("%d\n", count), "", false)
		if err != nil {
			t.Fatal(err)
		}
		met[share] = true
	}
	if len(met) != Shares {
		t.Errorf("%d commits met the shares %v", Shares, met)
	}
	for n := range 3 * Shares {
		due := 0
		for share := range Shares {
			t.Setenv(EnvVar, fmt.Sprint(share))
			if Due(t, n) {
				due++
			}
		}
		if due != 1 {
			t.Errorf("case %d is in %d shares", n, due)
		}
	}
	for _, all := range []string{"", "all"} {
		t.Setenv(EnvVar, all)
		if !Due(t, 3) {
			t.Errorf("with %s=%q a case is not due", EnvVar, all)
		}
	}
}

func TestOfCommit(t *testing.T) {
	const id = "b1619946045d3b10f9b485f1c82a7ed7b1646e62"
	if share, err := OfCommit("1\n", id+"\n", true); err != nil || share != 0xb161994%Shares {
		t.Errorf("the share of a clone without history is %d, %v", share, err)
	}
	for _, bad := range []string{"", "many"} {
		if share, err := OfCommit(bad, id, false); err == nil {
			t.Errorf("the count %q gives share %d", bad, share)
		}
	}
	for _, bad := range []string{"-1", fmt.Sprint(Shares), "x"} {
		if share, err := Parse(bad); err == nil {
			t.Errorf("the share %q is %d", bad, share)
		}
	}
}
