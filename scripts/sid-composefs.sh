#!/bin/bash
# usage: sid-composefs.sh TOOLS [have]
#
# Unpacks mkcomposefs and composefs-info 1.0.8 from Debian sid below TOOLS,
# beside the system: nothing is installed, apt's own state is not touched. They
# run with sid's C library, through the wrappers TOOLS/bin/mkcomposefs and
# TOOLS/bin/composefs-info. The tests compare images byte for byte with what
# this version writes, so no other version will do. With "have" it unpacks nothing,
# and says with its exit status whether all is there.
set -euo pipefail

wanted=1.0.8
tools=$1
final=$tools/composefs-$wanted

say() { echo "setup: $*" >&2; }

die() {
	say "$*"
	exit 1
}

# wrappers_work asks both programs for their usage, which they give with exit
# status 1.
wrappers_work() {
	local name text
	for name in mkcomposefs composefs-info; do
		text=$("$tools/bin/$name" --help 2>&1 || true)
		[[ ${text,,} == *"usage: "* ]] || return 1
	done
}

[ -e "$final/version" ] && wrappers_work && exit
[ "${2-}" != have ] || exit 1

keyring() {
	local k
	for k in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
		[ -e "$k" ] && echo "$k" && return
	done
	die "the package debian-archive-keyring is missing"
}

tmp=$(mktemp -d "$(realpath "$tools")/composefs.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp"/{lists,cache/archives}/partial
: >"$tmp/status"

uri=$("${0%/*}/mirror.sh")

apt_private() {
	local cmd=$1
	shift
	"$cmd" -q -o APT::Sandbox::User=root -o Debug::NoLocking=1 -o Acquire::Retries=3 \
		-o Dir::State="$tmp" -o Dir::State::status="$tmp/status" -o Dir::State::lists="$tmp/lists" \
		-o Dir::Cache="$tmp/cache" -o Dir::Etc::sourcelist="$tmp/sources.list" \
		-o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null "$@" </dev/null
}

# try runs a command up to three times: mirrors have bad moments.
try() {
	local i
	for i in 1 2 3; do
		"$@" && return
		say "attempt $i of '$*' ended with an error"
		sleep $((i * 3))
	done
	return 1
}

# available prints the newest version that starts with the wanted one.
available() {
	apt_private apt-cache madison composefs | awk -F ' *[|] *' -v v="$wanted" \
		'index($2, v) == 1 && substr($2, length(v) + 1, 1) !~ /[0-9.]/ && !seen++ { print $2 }'
}

version=
for suite in sid testing; do
	echo "deb [signed-by=$(keyring)] $uri $suite main" >>"$tmp/sources.list"
	try apt_private apt-get update || die "cannot read the package lists of Debian $suite"
	version=$(available)
	[ -n "$version" ] && break
	say "Debian $suite has moved on from composefs $wanted: $(apt_private apt-cache madison composefs | tr -s ' ')"
done
[ -n "$version" ] ||
	die "composefs $wanted is no longer in Debian: the tests must be taught the version there is now"

# With an empty list of installed packages apt downloads the C library and all
# else that the two programs link with.
say "unpacking composefs $version from Debian $suite beside the system"
try apt_private apt-get install -y --download-only --no-install-recommends \
	"composefs=$version" "libcomposefs1=$version" || die "cannot download composefs $version"
for deb in "$tmp"/cache/archives/*.deb; do
	dpkg -x "$deb" "$tmp/new"
done
loader=$(cd "$tmp/new" && find usr/lib -name 'ld-linux*.so.*' | head -n 1)
[ -n "$loader" ] || die "the C library of Debian $suite has no loader where one was expected"
echo "$version" >"$tmp/new/version"

rm -rf "$final"
chmod 755 "$tmp/new"
mv "$tmp/new" "$final"
for name in mkcomposefs composefs-info; do
	cat >"$tmp/wrapper" <<-END
		#!/bin/sh
		r=\${0%/*}/../${final##*/}
		exec "\$r/$loader" --library-path "\$r/${loader%/*}" "\$r/usr/bin/$name" "\$@"
	END
	chmod 755 "$tmp/wrapper"
	mv "$tmp/wrapper" "$tools/bin/$name"
done
wrappers_work || die "the unpacked mkcomposefs does not run"
