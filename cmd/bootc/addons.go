package main

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

const addonFlag = "uki-addon"

// addonChoice reads the names of --uki-addon: nil if it is not there, and none if all
// that it says is "".
func addonChoice(c *cli.Context) ([]string, error) {
	if !c.IsSet(addonFlag) {
		return nil, nil
	}
	names := c.StringSlice(addonFlag)
	if len(names) == 1 && names[0] == "" {
		return []string{}, nil
	}
	for _, name := range names {
		if name == "" || strings.ContainsRune(name, '/') || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
			return nil, usageError(c, "--%s: %q is no name of an addon", addonFlag, name)
		}
	}
	return names, nil
}

// otherAddonsFlag is the flag of what can give a host other addons.
func otherAddonsFlag() cli.Flag {
	return &cli.StringSliceFlag{
		Name:  addonFlag,
		Usage: "have the addon `NAME` of the unified kernel image from now on, and no others than those named so; can be repeated; '' for none (default: as chosen before)",
	}
}
