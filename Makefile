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
# Which of the cases that take turns run: one share, by the number of the commit; all of them
# when somebody says which tests to run.
SHARE    ?= $(if $(filter -run -run=% --run --run=% -test.run -test.run=%,$(TESTARGS)),all,commit)
# The longest packages go first.
TESTS     = $(if $(filter ./...,$(PKG)),./e2e ./internal/testvm ./cmd/bootc) $(PKG)

export CGO_ENABLED := 0
# One way to build for programs, tests and linters: what one has compiled, the others need not.
export GOFLAGS     := -tags=$(TAGS) -buildvcs=false -trimpath
export BOOTC_TOOLS := $(CURDIR)/build/tools
export GOLANGCI_LINT_VERSION

LINTER := $(BOOTC_TOOLS)/bin/golangci-lint

SETUPS := setup-bench setup-demo setup-lint setup-race setup-test

.PHONY: setup $(SETUPS) build install test test-all race lint fmt generate bench fuzz demo demo-boot clean help

setup: ## install what demo, test, race, lint and bench need (root); each of them does so itself
	@scripts/setup.sh

$(SETUPS): setup-%:
	@scripts/setup.sh $*

build: ## build the static binaries bin/bootc and bin/bootc-initramfs
	@scripts/check-go.sh
	@[ '$(VERSION)' != unknown ] || echo 'build: no git, or no history: bootc --version will say "unknown", unless you say make build VERSION=...' >&2
	go build -ldflags '-s -w -X main.buildVersion=$(VERSION)' -o bin/ ./cmd/...

install: ## install what "make build" built below DESTDIR, as an image needs it
	@DESTDIR='$(DESTDIR)' scripts/install.sh

test: setup-test ## run the tests, of those that take turns a share; PKG=./image/... and TESTARGS='-run Name' narrow it
	@go run ./internal/testrun -noskip -share $(SHARE) -vet=off $(TESTARGS) $(TESTS)

test-all: override SHARE = all
test-all: test ## run all tests there are: an hour

race: setup-race ## run all tests under the race detector
	@CGO_ENABLED=1 go run ./internal/testrun -share $(SHARE) -race $(TESTARGS) $(PKG)

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

demo: setup-demo ## build an image, install, boot, upgrade, roll back and switch a machine in QEMU
	@scripts/demo.sh

demo-boot: setup-demo ## boot the disk that make demo left, with its console on this terminal
	@scripts/demo.sh boot

clean: ## remove what was built; tools and test caches stay (rm -r build for those)
	rm -rf bin build/bench

help: ## print this list
	@awk -F ':[^#]*## ' '/^[a-z-]+:[^#]*## / { printf "%-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
