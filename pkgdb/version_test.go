package pkgdb

import (
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/bootc-go/bootc/internal/testtool"
)

// versions of all shapes, for the oracles.
func versions() []string {
	vs := []string{
		"1", "1.0", "01", "1.00", "1.1", "1.10", "1.9", "2", "0:1", "1:0", "1:0.1", "1-1", "1-2", "1-1.1", "1.0-1",
		"1~rc1", "1~rc1-1", "1~", "1~~", "1+b1", "1a", "1b", "1.a", "1.0a", "1.0.1", "a", "z", "1.0~rc1~git1", "1.0~git1",
		"5.5p1", "5.5p2", "5.5p10", "10xyz", "10.1xyz", "xyz10", "xyz.4", "8", "2.0.1a", "1.0_2", "1_0", "20101122", "20101121", "1.0+deb12u1", "1.0-1+deb12u1", "1.0-1~bpo1",
	}
	r := rand.New(rand.NewPCG(1, 2))
	const chars = "00112359ab~.+"
	for range 60 {
		v := "1"
		for range r.IntN(7) {
			v += string(chars[r.IntN(len(chars))])
		}
		vs = append(vs, v)
	}
	return vs
}

// TestCompareDpkg asks dpkg.
func TestCompareDpkg(t *testing.T) {
	t.Parallel()
	dpkg := testtool.Path(t, "dpkg")
	vs := versions()
	r := rand.New(rand.NewPCG(3, 4))
	for range 400 {
		a, b := vs[r.IntN(len(vs))], vs[r.IntN(len(vs))]
		if !dpkgValid(a) || !dpkgValid(b) {
			continue
		}
		want := 0
		if exec.Command(dpkg, "--compare-versions", a, "lt", b).Run() == nil {
			want = -1
		} else if exec.Command(dpkg, "--compare-versions", a, "gt", b).Run() == nil {
			want = 1
		}
		if got := CompareVersions(Dpkg, a, b); got != want {
			t.Errorf("%s and %s: %d, dpkg says %d", a, b, got, want)
		}
	}
}

// dpkgValid says whether dpkg takes a version at all: a version begins with a digit.
func dpkgValid(v string) bool { return isDigit(v[0]) && !strings.Contains(v, "_") }

// TestCompareRPM asks rpm, whose macro language has the comparison.
func TestCompareRPM(t *testing.T) {
	t.Parallel()
	rpm := testtool.Path(t, "rpm")
	vs := slices.DeleteFunc(versions(), func(v string) bool { return strings.HasPrefix(v, "a") && len(v) > 1 })
	vs = append(vs, "1^", "1^git1", "1^git2", "1.0^20160101", "1.0^20160101^git1", "1.0^20160102", "1.0.1^", "1~rc1^git1", "1^git1~pre", "1^git1-2")
	r := rand.New(rand.NewPCG(5, 6))
	var expr strings.Builder
	var pairs [][2]string
	for len(pairs) < 600 {
		a, b := vs[r.IntN(len(vs))], vs[r.IntN(len(vs))]
		pairs = append(pairs, [2]string{a, b})
		expr.WriteString("%{lua:print(rpm.vercmp('" + a + "', '" + b + "'))}\n")
	}
	out, err := exec.Command(rpm, "--eval", expr.String()).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	answers := strings.Fields(string(out))
	if len(answers) != len(pairs) {
		t.Fatalf("%d answers to %d questions", len(answers), len(pairs))
	}
	for i, p := range pairs {
		want := map[string]int{"-1": -1, "0": 0, "1": 1}[answers[i]]
		if got := CompareVersions(RPM, p[0], p[1]); got != want {
			t.Errorf("%s and %s: %d, rpm says %s", p[0], p[1], got, answers[i])
		}
	}
}

// TestCompareAPK has pairs of apk's own test, test/version.data of apk-tools.
func TestCompareAPK(t *testing.T) {
	t.Parallel()
	for line := range strings.SplitSeq(strings.TrimSpace(`
2.34 > 0.1.0_alpha
2.34 > 0.1.3_alpha
0.1.0_alpha < 0.1.3_alpha
0.1.0_alpha2 > 0.1.0_alpha
0.1.0_alpha < 2.2.39-r1
1.0.4-r3 < 1.0.4-r4
23_foo > 4_beta
1.0 < 1.0bc
1.0_alpha < 1.0
1.0_rc1 < 1.0_p1
1.0_p < 1.0_p1
0.12 < 0.13
0.12.0 < 0.12.1
1.0.0 > 1.0
1.0_pre1 < 1.0
1.2.3a > 1.2.3
1.2.3b > 1.2.3a
0.8_beta5 < 0.8.9
3.10.18-r1 > 3.9.20-r1
1.0-r10 > 1.0-r9
1.01 < 1.1
4.09 < 4.5
20050718-r1 < 20050718-r2
1.0_git20200101 < 1.0_git20200201
1.0_git1 > 1.0
5.2.0_rc3 < 5.2.0
0.0_git20230613184007 > 0.0_git20180504
1.7b < 1.8
1.0 = 1.0
1.0-r1 = 1.0-r1
`), "\n") {
		f := strings.Fields(line)
		want := map[string]int{"<": -1, "=": 0, ">": 1}[f[1]]
		if got := CompareVersions(APK, f[0], f[2]); got != want {
			t.Errorf("%s: %d", line, got)
		}
		if got := CompareVersions(APK, f[2], f[0]); got != -want {
			t.Errorf("%s, turned: %d", line, got)
		}
	}
}

// FuzzCompare: an order has no cycles of two, and nothing is unlike itself.
func FuzzCompare(f *testing.F) {
	for _, v := range versions() {
		f.Add(v, "1.0-1")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, m := range []Manager{Dpkg, RPM, APK} {
			if CompareVersions(m, a, a) != 0 || CompareVersions(m, a, b) != -CompareVersions(m, b, a) {
				t.Errorf("%s: %q and %q have no order", m, a, b)
			}
		}
	})
}
