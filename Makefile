# The most important targets: make demo, make test. "make help" lists all of them.

GO       ?= go
BIN      := bin
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X isync/internal/cli.commit=$(VERSION)
PACKAGES ?= ./...
# Seconds are enough to find simple mistakes. Run it for hours before a release.
FUZZTIME ?= 30s
# How long each of the long sweeps runs.
SWEEP    ?= 2m
# How long make soak runs.
SOAK     ?= 30m
# The seed of a run of make soak to repeat. Empty: a random seed.
SEED     ?=
DEMOFLAGS ?=
TESTFLAGS ?=

# The tests use the same static binary as the packages. Only the race detector needs cgo.
export CGO_ENABLED := 0

# The tests of the Kubernetes manifests use the types of Kubernetes, in a separate module.
MANIFESTS := packaging/fleet/kubernetes

# Where make install installs. DESTDIR precedes all of these paths.
PREFIX   ?= /usr/local
bindir   ?= $(PREFIX)/bin
datadir  ?= $(PREFIX)/share
mandir   ?= $(datadir)/man
docdir   ?= $(datadir)/doc/isync-go
bashcompdir ?= $(datadir)/bash-completion/completions
zshcompdir  ?= $(datadir)/zsh/site-functions
fishcompdir ?= $(datadir)/fish/vendor_completions.d
# systemd finds units of users here, below /usr/local, /usr and ~/.local.
unitdir  ?= $(datadir)/systemd/user
INSTALL  ?= install
# What make build builds.
PROGRAMS  = $(notdir $(wildcard cmd/*))
# The supported systems.
SYSTEMS  := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 freebsd/amd64 windows/amd64

.PHONY: build test race check lint fmt vet demo bench performance gobench crash soak fuzz servers generate changelog clean help dist cross install uninstall

build: ## build bin/mbsync, static, with the version from git
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/...

test: servers fmt-check vet ## check format, vet, run all tests; on Debian as root, install the servers for them
	ISYNC_TEST_APT=1 $(GO) test $(TESTFLAGS) $(PACKAGES)
	$(if $(filter ./...,$(PACKAGES)),cd $(MANIFESTS) && $(GO) vet ./... && $(GO) test $(TESTFLAGS) ./...)

race: ## run all tests with the race detector (needs a C compiler)
	@command -v cc >/dev/null || { echo 'make race: the race detector needs a C compiler (apt-get install gcc libc6-dev)' >&2; exit 1; }
	CGO_ENABLED=1 $(GO) test -race $(TESTFLAGS) $(PACKAGES)

lint: $(BIN)/golangci-lint ## run the linters
	$(BIN)/golangci-lint run $(PACKAGES)
	$(if $(filter ./...,$(PACKAGES)),cd $(MANIFESTS) && $(CURDIR)/$(BIN)/golangci-lint run ./...)

fmt: $(BIN)/gofumpt ## format all Go files
	$(BIN)/gofumpt -w .

.PHONY: fmt-check
fmt-check: $(BIN)/gofumpt
	@bad=$$($(BIN)/gofumpt -l .); [ -z "$$bad" ] || { printf 'not formatted (make fmt):\n%s\n' "$$bad" >&2; exit 1; }

# Also vet for systems on which the tests do not run.
vet:
	$(GO) vet $(PACKAGES)
	@for os in windows darwin freebsd; do GOOS=$$os $(GO) vet $(PACKAGES) || exit 1; done

check: test lint ## test and lint

demo: build ## show how mbsync synchronizes with a mail server of the demo, in a few seconds
	$(GO) run ./demo -mbsync $(BIN)/mbsync $(DEMOFLAGS)

bench: servers ## compare speed with the peers (BENCH=S2,S3 or scale, RTT=50 PEERS=mbsync ROUNDS=3 JSON=file; see bench/doc.go)
	$(GO) test -c -o $(BIN)/bench.test ./bench
	JSON='$(if $(JSON),$(abspath $(JSON)))' ISYNC_BENCH=1 ISYNC_TEST_APT=1 $(BIN)/bench.test -test.count 1 -test.timeout 6h -test.run '^TestSideBySide$$'

performance: ## write the table of docs/performance.md (JSON=file: of what make bench has measured, and what was measured before)
	JSON='$(if $(JSON),$(abspath $(JSON)))' $(GO) test -count=1 ./bench -run '^TestPerformancePage$$' -update

gobench: ## run the Go benchmarks of the hot paths
	$(GO) test -run '^$$' -bench . -benchmem $(PACKAGES)

crash: servers ## run the long crash sweeps, each for SWEEP (default 2m)
	@GO='$(GO)' ISYNC_TEST_APT=1 ISYNC_SWEEP=$(SWEEP) tools/crash.sh

soak: servers ## synchronize for SOAK (default 30m) while connections fail, servers restart and runs are killed (SEED=n: repeat)
	ISYNC_TEST_APT=1 ISYNC_SWEEP=$(SOAK) ISYNC_STRESS_SEED=$(SEED) $(GO) test -count=1 -timeout 0 -run '^TestSweepSoak$$' -v ./test/e2e

fuzz: ## run every fuzz target for FUZZTIME (default 30s)
	GO='$(GO)' FUZZTIME='$(FUZZTIME)' tools/fuzz.sh $(PACKAGES)

servers: ## install or unpack the servers for the tests, if possible
	@tools/servers.sh

generate: ## write the generated parts: headings of the manual page, completions, recordings
	$(GO) test ./internal/cli -run 'TestManualOptions|TestConvertCompletions' -update
	$(GO) test ./internal/arch -run TestMessages -update
	$(GO) test ./test/setup -run 'TestRecording|TestQuestionsInPage' -update

changelog: ## show what the next release changes
	@$(GO) run ./changelog

cross: ## check that the program builds for all systems
	@for s in $(SYSTEMS); do echo "$$s"; \
	  GOOS=$${s%/*} GOARCH=$${s#*/} $(GO) build ./cmd/... || exit 1; done

dist: $(BIN)/nfpm ## make archives, .deb and .rpm for all systems in dist/
	$(GO) run ./packaging -nfpm $(BIN)/nfpm -out dist $(DISTFLAGS)

install: ## install the files of make build below PREFIX (default /usr/local)
	@[ -x $(BIN)/mbsync ] || { echo 'make install: run make build first' >&2; exit 1; }
	$(INSTALL) -d '$(DESTDIR)$(bindir)' '$(DESTDIR)$(mandir)/man1' '$(DESTDIR)$(docdir)/examples/fleet/systemd' \
	  '$(DESTDIR)$(docdir)/examples/fleet/kubernetes' '$(DESTDIR)$(bashcompdir)' \
	  '$(DESTDIR)$(zshcompdir)' '$(DESTDIR)$(fishcompdir)' '$(DESTDIR)$(unitdir)'
	for p in $(PROGRAMS); do $(INSTALL) -m 755 $(BIN)/$$p '$(DESTDIR)$(bindir)/' || exit 1; done
	$(INSTALL) -m 644 docs/man/*.1 '$(DESTDIR)$(mandir)/man1/'
	$(INSTALL) -m 644 README.md LICENSE CHANGELOG.md docs/*.md '$(DESTDIR)$(docdir)/'
	$(INSTALL) -m 644 docs/examples/* '$(DESTDIR)$(docdir)/examples/'
	$(INSTALL) -m 644 packaging/fleet/mbsyncrc '$(DESTDIR)$(docdir)/examples/fleet/'
	$(INSTALL) -m 644 packaging/fleet/systemd/* '$(DESTDIR)$(docdir)/examples/fleet/systemd/'
	$(INSTALL) -m 644 $(MANIFESTS)/*.sh $(MANIFESTS)/*.yaml '$(DESTDIR)$(docdir)/examples/fleet/kubernetes/'
	for p in $(PROGRAMS); do \
	  $(INSTALL) -m 644 completions/$$p.bash '$(DESTDIR)$(bashcompdir)/'$$p && \
	  $(INSTALL) -m 644 completions/_$$p '$(DESTDIR)$(zshcompdir)/_'$$p && \
	  $(INSTALL) -m 644 completions/$$p.fish '$(DESTDIR)$(fishcompdir)/'$$p.fish || exit 1; done
	for s in mbsync mbsync-watch; do \
	  sed 's|/usr/bin/mbsync|"$(bindir)/mbsync"|' packaging/systemd/$$s.service >'$(DESTDIR)$(unitdir)/'$$s.service && \
	  chmod 644 '$(DESTDIR)$(unitdir)/'$$s.service || exit 1; done
	$(INSTALL) -m 644 packaging/systemd/mbsync.timer '$(DESTDIR)$(unitdir)/'

uninstall: ## remove the files of make install
	rm -f $(foreach p,$(PROGRAMS),'$(DESTDIR)$(bindir)/$(p)' '$(DESTDIR)$(bashcompdir)/$(p)' \
	  '$(DESTDIR)$(zshcompdir)/_$(p)' '$(DESTDIR)$(fishcompdir)/$(p).fish') \
	  $(foreach m,$(notdir $(wildcard docs/man/*.1)),'$(DESTDIR)$(mandir)/man1/$(m)') \
	  '$(DESTDIR)$(unitdir)/mbsync.service' '$(DESTDIR)$(unitdir)/mbsync.timer' '$(DESTDIR)$(unitdir)/mbsync-watch.service'
	rm -rf '$(DESTDIR)$(docdir)'

clean: ## remove all built files
	rm -rf $(BIN) dist

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

# The tools have a module of their own, so that what they need never becomes
# something the program needs.
$(BIN)/gofumpt: tools/go.mod tools/go.sum
	cd tools && $(GO) build -o ../$(BIN)/gofumpt mvdan.cc/gofumpt

$(BIN)/golangci-lint: tools/go.mod tools/go.sum
	cd tools && $(GO) build -o ../$(BIN)/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(BIN)/nfpm: tools/go.mod tools/go.sum
	cd tools && $(GO) build -o ../$(BIN)/nfpm github.com/goreleaser/nfpm/v2/cmd/nfpm
