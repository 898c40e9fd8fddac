package main

import "testing"

func TestPrintable(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"plain text, déjà vu …", "plain text, déjà vu …"},
		{"red\x1b[31m", `red\x1b[31m`},
		{"one\nbootc: all is well", `one\nbootc: all is well`},
		{"\xff\u202e\u200b", `\xff\u202e\u200b`},
	} {
		if got := printable(tt.in); got != tt.want {
			t.Errorf("printable(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}
