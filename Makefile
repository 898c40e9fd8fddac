# Everything a developer or CI does is a target here; "make help" lists them.
SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build

GOLANGCI_LINT_VERSION := v2.15.0
TAGS     := containers_image_openpgp
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME ?= 30s
BENCH    ?= full
PKG      ?= ./...
DESTDIR  ?=
TESTARGS ?=

export CGO_ENABLED := 0
export GOFLAGS     := -tags=$(TAGS) -buildvcs=false
export BOOTC_TOOLS := $(CURDIR)/build/tools
export GOLANGCI_LINT_VERSION

LINTER := $(BOOTC_TOOLS)/bin/golangci-lint

SETUPS := setup-bench setup-demo setup-lint setup-race setup-test

.PHONY: setup $(SETUPS) build install test race lint fmt generate bench fuzz demo clean help

setup: ## install what demo, test, race, lint and bench need (root); each of them does so itself
	@scripts/setup.sh

$(SETUPS): setup-%:
	@scripts/setup.sh $*

build: ## build the static binaries bin/bootc and bin/bootc-initramfs
	@scripts/check-go.sh
	@[ '$(VERSION)' != unknown ] || echo 'build: no git, or no history: bootc --version will say "unknown", unless you say make build VERSION=...' >&2
	go build -trimpath -ldflags '-s -w -X main.buildVersion=$(VERSION)' -o bin/ ./cmd/...

install: ## install what "make build" built below DESTDIR, as an image needs it
	@DESTDIR='$(DESTDIR)' scripts/install.sh

test: setup-test ## run all tests; PKG=./image/... and TESTARGS='-run Name' narrow it
	@go run ./internal/testrun $(TESTARGS) $(PKG)

race: setup-race ## run all tests under the race detector
	@CGO_ENABLED=1 go run ./internal/testrun -race $(TESTARGS) $(PKG)

lint: setup-lint ## check style, the import diagram, generated files and scripts
	@scripts/lint.sh

fmt: ## format the sources as lint wants them
	$(LINTER) fmt

# Test data made with tools that CI lacks is kept, not remade: its generators lie
# below testdata.
generate: ## make generated files anew
	go generate -skip testdata/ ./...

bench: setup-bench build ## measure against the peers; BENCH=quick is a smoke test
	go build -o build/bench/bench ./bench
	build/bench/bench -bootc bin/bootc -mode $(BENCH) $(BENCHARGS)

fuzz: ## run every fuzz target for FUZZTIME (30s)
	@FUZZTIME=$(FUZZTIME) scripts/fuzz.sh $(PKG)

demo: setup-demo build ## build an image, install, boot, upgrade, roll back and switch a machine in QEMU
	@scripts/demo.sh

clean: ## remove what was built; tools and test caches stay (rm -r build for those)
	rm -rf bin build/bench

help: ## print this list
	@awk -F ':[^#]*## ' '/^[a-z]+:[^#]*## / { printf "%-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
