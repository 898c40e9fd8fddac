#!/bin/bash
# Prints the address of the Debian archive that this machine's apt uses for Debian
# itself.
set -euo pipefail

uri=$(apt-get indextargets --format '$(REPO_URI) $(LABEL) $(CODENAME)' 'Created-By: Packages' |
	awk '$2 == "Debian" && $3 !~ /-(updates|backports|security)$/ && !seen++ { print $1 }')
[ -n "$uri" ] || {
	echo "setup: apt has no lists of Debian's main archive (run apt-get update)" >&2
	exit 1
}
echo "$uri"
