#!/bin/bash
# usage: demo.sh [boot]
#
# Shows the main job, from nothing: build a bootable Debian image, serve it from a registry,
# install it on a disk, boot that in QEMU, upgrade it, roll back, and switch to an image of
# one's own. With "boot": boots that disk again, with its console on this terminal.
#
# It is the test e2e TestDemo, whose session comes on the file descriptor 3. All else that
# the test says goes to a log.
set -euo pipefail
cd "$(dirname "$0")/.."
disk=$PWD/build/demo/disk.raw
log=$PWD/build/log/demo.log
mkdir -p build/demo build/log
exec 9<build/demo
flock -n 9 || {
	echo "demo: another demo runs in $PWD, on the same disk" >&2
	exit 1
}

# compile builds the test.
compile() {
	local start=$SECONDS
	echo "Compiling bootc and this demo (about 40 s, when Go has built neither before)"
	go test -c -vet=off -o build/demo/demo.test ./e2e
	echo "  … took $((SECONDS - start)) s"
}

# demo runs the test with these flags.
demo() {
	(cd e2e && exec 9<&- && exec ../build/demo/demo.test -test.run '^TestDemo$' -test.timeout 0 -test.paniconexit0 "$@")
}

# why prints what the test gave as the reason of its failure, without the rest of a test's
# output.
why() {
	sed -nE 's/^ +[a-z0-9_]+\.go:[0-9]+: //p' "$log" | grep -v '^testvm: ' | head -n 3
}

if [ "${1-}" = boot ]; then
	[ -t 0 ] && [ -t 1 ] || {
		echo "demo: this shows the machine's console, so it needs a terminal" >&2
		exit 1
	}
	[ -e "$disk" ] || {
		echo "demo: there is no disk to boot; run 'make demo' first" >&2
		exit 1
	}
	compile
	echo "The machine boots, and logs root in. 'systemctl poweroff' or Ctrl-a x ends it."
	demo -demo-boot "$disk" 3<>/dev/tty >"$log" 2>&1 && exit
	echo "demo: the machine failed; the log is $log:" >&2
	why >&2 || :
	exit 1
fi

cat <<END
This shows the main job of bootc. It takes about 6 minutes on a quiet machine, and the time
for downloads. It needs 10 GB of disk and 4 GB of memory. A slow machine takes longer, and
also finishes.
END
echo
compile
rm -f "$disk"
bold=false
[ ! -t 1 ] || [ "${TERM:-dumb}" = dumb ] || bold=true
if ! demo -demo -demo-bold=$bold -demo-disk "$disk" 3>&1 >"$log" 2>&1; then
	{
		echo
		echo "demo: it stopped in the step above, after $((SECONDS / 60)) min $((SECONDS % 60)) s:"
		why || :
		echo "demo: the whole log is $log. 'make demo' again uses the images that are already built."
	} >&2
	exit 1
fi

cat <<END

That was all of it, in $((SECONDS / 60)) min $((SECONDS % 60)) s. The disk is kept. Look around on it yourself:

    make demo-boot      boots it again, with root logged in on this terminal; Ctrl-a x ends it

    bootc status                                  what runs, and what can be rolled back to
    bootc config-diff                             what is changed in /etc
    bootc rollback && systemctl reboot            back to Debian without the web server
    bootc switch --apply registry.test/acme/os:latest   forward to version 2

    docs/tutorial/first-host.md builds such a host by hand. 'rm -r build' removes all of this.
END
