# Moromi's commands. What each does for its user stands in README.md; `make help` lists them.

GO      ?= go
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# The whole program is static: no C code is linked in. A go.mod that does not fit the sources is an error, not an edit.
export CGO_ENABLED = 0
export GOFLAGS     = -mod=readonly
LDFLAGS := -X main.version=$(VERSION)

# Packages are tested side by side by as many processes as there are cores. Those of one package that need PostgreSQL
# share one server; see internal/pgtest.
TEST_TIMEOUT ?= 10m
TEST_FLAGS   ?=
PACKAGES     ?= ./...

# make bench BENCH=word runs the benchmarks whose figures have the word in their names.
BENCH ?= .

.PHONY: help build test check demo demo-stop bench torture clean
help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1	\2/p' Makefile | expand -t 20

build: ## build bin/moromi and bin/moromid
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/moromi ./cmd/moromid

test: ## install what is missing, and run all tests
	scripts/install-deps.sh --test
	$(MAKE) --no-print-directory check
	$(GO) test -timeout $(TEST_TIMEOUT) $(TEST_FLAGS) $(PACKAGES)

check: ## formatting and vet
	@unformatted=$$(gofmt -l $$($(GO) list -f '{{.Dir}}' ./...)); \
		[ -z "$$unformatted" ] || { echo "not formatted with gofmt:"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./...

demo: ## build real software with a Moromi of its own in ./.demo
	@scripts/demo/demo.sh

demo-stop: ## end what `make demo` left running
	@scripts/demo/stop.sh

bench: ## run the benchmarks: one line a figure, "name value unit"
	@scripts/bench.sh '$(BENCH)'

torture: ## run the long fault tests, for hours
	scripts/install-deps.sh --test
	MOROMI_TORTURE=1 $(GO) test -count=1 -timeout 12h -p 1 -v -run Torture $(TEST_FLAGS) $(PACKAGES)

clean: ## remove what the other commands made, downloads included
	@scripts/demo/stop.sh
	rm -rf bin .demo .cache
