#!/bin/bash
# Shows the main job, from nothing: build a bootable Debian image, serve it from
# a registry, install it on a disk, boot it, upgrade it, roll back, and switch to
# an image of one's own. It is the test e2e TestDemo with its session shown.
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p build
go test -c -o build/demo.test ./e2e
cd e2e
exec ../build/demo.test -test.run '^TestDemo$' -test.timeout 30m -test.paniconexit0 -session
