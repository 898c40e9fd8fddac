package main

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"
)

// testApp has a command like those that users of clap type.
func testApp() *cli.App {
	return &cli.App{Name: "bootc", Commands: []*cli.Command{
		{
			Name: "switch", ArgsUsage: "TARGET",
			Flags: []cli.Flag{
				&cli.BoolFlag{Name: "apply", Aliases: []string{"a"}},
				&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}},
				&cli.StringFlag{Name: "transport", Aliases: []string{"t"}},
			},
		},
		{Name: "image", Flags: []cli.Flag{&cli.StringFlag{Name: "repo"}}, Subcommands: []*cli.Command{
			{Name: "tag", Flags: []cli.Flag{&cli.StringSliceFlag{Name: "root"}}},
		}},
	}}
}

func TestPermute(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"bootc", "bootc"},
		{"bootc switch img --apply", "bootc switch --apply -- img"},
		{"bootc switch --apply img", "bootc switch --apply -- img"},
		{"bootc switch img --transport oci -q", "bootc switch --transport oci -q -- img"},
		{"bootc switch img --transport=oci", "bootc switch --transport=oci -- img"},
		{"bootc switch -aq img", "bootc switch -a -q -- img"},
		{"bootc switch -aqtoci img", "bootc switch -a -q -t oci -- img"},
		{"bootc switch -t=oci img", "bootc switch -t oci -- img"},
		{"bootc switch -- --apply", "bootc switch -- --apply"},
		{"bootc switch img -- -x", "bootc switch -- img -x"},
		{"bootc switch img --help", "bootc switch --help -- img"},
		{"bootc switch -", "bootc switch -- -"},
		{"bootc image --repo r tag a --root x b --root y", "bootc image --repo r tag --root x --root y -- a b"},
		{"bootc image tag image", "bootc image tag -- image"},
	} {
		got, err := permute(testApp(), strings.Fields(tt.in))
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
		}
		if diff := cmp.Diff(strings.Fields(tt.want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.in, diff)
		}
	}
}

func TestPermuteRefuses(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"bootc switch --aply img", "unknown flag --aply for 'bootc switch'"},
		{"bootc switch img -x", "unknown flag -x for 'bootc switch'"},
		{"bootc switch img --transport", "flag --transport needs a value"},
		{"bootc switch --apply=7 img", `flag --apply takes no value, got "7"`},
		{"bootc --apply switch img", "unknown flag --apply for 'bootc'"},
		{"bootc swtich img", `unknown command "bootc swtich"`},
		{"bootc image tga", `unknown command "bootc image tga"`},
		{"bootc image tag --repo r", "unknown flag --repo for 'bootc image tag'"},
	} {
		_, err := permute(testApp(), strings.Fields(tt.in))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: error %v, want %s", tt.in, err, tt.want)
		}
	}
}

// Each verb that has flags takes them behind its operands and refuses
// unknown ones with status 2.
func TestEveryVerbRefusesUnknownFlags(t *testing.T) {
	var walk func(prefix []string, cmds []*cli.Command)
	seen := 0
	walk = func(prefix []string, cmds []*cli.Command) {
		for _, c := range cmds {
			path := append(slices.Clip(prefix), c.Name)
			if len(c.Subcommands) > 0 {
				walk(path, c.Subcommands)
				continue
			}
			if c.SkipFlagParsing { // flags are those of the program that it runs
				continue
			}
			seen++
			var stderr bytes.Buffer
			e := &env{stdin: strings.NewReader(""), stdout: io.Discard, stderr: &stderr, root: t.TempDir(), getenv: func(string) string { return "" }}
			code := run(context.Background(), e, append(append([]string{"bootc"}, path...), "operand", "--no-such-flag"))
			if code != 2 || !strings.Contains(stderr.String(), "unknown flag --no-such-flag") {
				t.Errorf("%s: status %d, %q", strings.Join(path, " "), code, stderr.String())
			}
			if strings.HasPrefix(c.ArgsUsage, "[") || c.ArgsUsage == "" {
				continue
			}
			stderr.Reset()
			if code := run(context.Background(), e, append([]string{"bootc"}, path...)); code != 2 || !strings.Contains(stderr.String(), "missing operand") {
				t.Errorf("%s without operands: status %d, %q", strings.Join(path, " "), code, stderr.String())
			}
		}
	}
	walk(nil, (&env{stdout: io.Discard, stderr: io.Discard, getenv: func(string) string { return "" }}).app().Commands)
	if seen == 0 {
		t.Error("no verb was tried")
	}
}
