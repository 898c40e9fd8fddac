package conform

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Grammars. All are anchored, and Go's regular expressions take linear time.
var (
	// RFC 6838, section 4.2: two restricted names.
	mediaType = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$`)

	// descriptor.md, "Digests".
	digestGrammar = regexp.MustCompile(`^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$`)
	algorithmName = regexp.MustCompile(`^[a-z0-9]+(?:[+._-][a-z0-9]+)*$`)
	encodedName   = regexp.MustCompile(`^[a-zA-Z0-9=_-]+$`)
	hex64         = regexp.MustCompile(`^[a-f0-9]{64}$`)
	hex128        = regexp.MustCompile(`^[a-f0-9]{128}$`)

	// annotations.md, "Pre-Defined Annotation Keys".
	refName = regexp.MustCompile(`^[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*(?:/[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*)*$`)

	// RFC 3986: what a URI is written with.
	uriText   = regexp.MustCompile(`^(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+$`)
	uriScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)

	// A reference of distribution/distribution with its registry.
	qualified = regexp.MustCompile(`^(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9.-]+:[0-9]+|\[[0-9a-fA-F:]+\](?::[0-9]+)?)(?::[0-9]+)?` +
		`(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)+(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[a-z0-9+._-]+:[A-Za-z0-9=_-]+)?$`)

	// config.md, "Properties".
	exposedPort = regexp.MustCompile(`^[0-9]{1,5}(?:/(?:tcp|udp))?$`)
	stopSignal  = regexp.MustCompile(`^(?:[0-9]{1,2}|SIG[A-Z][A-Z0-9]*(?:[+-][0-9]{1,2})?)$`)
	userName    = regexp.MustCompile(`^[^:\s]+(?::[^:\s]+)?$`)

	spdxToken = regexp.MustCompile(`^(?:[A-Za-z0-9.-]+\+?|(?:DocumentRef-[A-Za-z0-9.-]+:)?LicenseRef-[A-Za-z0-9.-]+)$`)
)

// isTime reports whether s is of RFC 3339.
func isTime(s string) bool {
	var t time.Time
	return t.UnmarshalText([]byte(strings.ToUpper(s))) == nil && !strings.Contains(s, ",")
}

// isURI reports whether s is an absolute URI of RFC 3986.
func isURI(s string) bool {
	_, err := url.Parse(s)
	return err == nil && uriScheme.MatchString(s) && uriText.MatchString(s)
}

func hasWebScheme(s string) bool {
	scheme, _, _ := strings.Cut(strings.ToLower(s), ":")
	return scheme == "http" || scheme == "https"
}

func isBase64(s string) ([]byte, bool) {
	data, err := base64.StdEncoding.Strict().DecodeString(s)
	return data, err == nil && !strings.ContainsAny(s, "\r\n")
}

// isLicense reports whether s is a license expression of SPDX 2.3, annex D, by its
// form: that the identifiers are in SPDX's list is not looked at.
func isLicense(s string) bool {
	tokens := strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(s))
	open, operand := 0, false // operand: the last token ends one
	for _, t := range tokens {
		switch {
		case t == "(" && !operand:
			open++
		case t == ")" && operand && open > 0:
			open--
		case (t == "AND" || t == "OR" || t == "WITH") && operand:
			operand = false
		case t != "AND" && t != "OR" && t != "WITH" && !operand && spdxToken.MatchString(t):
			operand = true
		default:
			return false
		}
	}
	return operand && open == 0
}
