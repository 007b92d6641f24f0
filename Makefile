# `make` alone lists the targets. Nothing here needs more than Go, git and, for `make test`, Debian 12.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GOLANGCI_VERSION := 2.15.0
# so that no test cuts another short on few cores; the whole stays well below it
TEST_TIMEOUT ?= 20m
# all but what wants more than the services of `make test`
PACKAGES = $$(go list ./... | grep -v -e /tests/clients/ -e /tests/openstack -e /tests/kubernetes -e /tests/controlplane)
FUZZTIME ?= 10m
# of the model test: how many runs, and the seed of their steps (0: another one each time)
RUNS ?= 10
SEED ?= 0

.PHONY: help build demo test test-clients test-openstack kubernetes-binaries test-kubernetes test-model test-quick bench fuzz check-generated lint generate openstack-up openstack-down clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-20s %s\n", $$1, $$2}' Makefile

build: ## build every command into bin/
	@mkdir -p bin
	go build -trimpath -ldflags "-s -w" -o bin/ ./cmd/...

demo: ## create and delete a cluster in a simulated cloud; KEEP=1 leaves it running
	@mkdir -p bin
	go build -trimpath -ldflags "-s -w" -o bin/jeroboam ./cmd/jeroboam
	bin/jeroboam demo $(if $(filter 1,$(KEEP)),--keep)

test: check-generated ## run every test, against real RabbitMQ, MariaDB, PostgreSQL and Keystone
	devstack/debian/services run $(MAKE) test-all

# what `make test` runs among the services; not for use on its own
.PHONY: test-all
test-all:
	@go test -json -p 2 -timeout $(TEST_TIMEOUT) $(PACKAGES) | go run ./internal/testenv/summary

test-clients: ## run the clients themselves against the service among real servers; pictures of Horizon are kept in bin/_artifacts
	devstack/debian/services run --clients $(MAKE) test-clients-all

# what `make test-clients` runs among the services; not for use on its own
.PHONY: test-clients-all
test-clients-all:
	@mkdir -p bin
	@go test -json -p 1 -count 1 -timeout $(TEST_TIMEOUT) -artifacts -outputdir $(CURDIR)/bin ./tests/clients/... | go run ./internal/testenv/summary

test-openstack: ## hold what we call of a cloud to a real OpenStack, and do the main job on it (root)
	devstack/debian/openstack run $(MAKE) test-openstack-all

# what `make test-openstack` runs beside that cloud; not for use on its own
.PHONY: test-openstack-all
test-openstack-all:
	@go test -json -p 1 -count 1 -timeout 60m ./tests/contract ./tests/openstack | go run ./internal/testenv/summary

kubernetes-binaries: ## build a real Kubernetes from Go modules, once per version, into a cache outside of the checkout (root)
	go run ./devstack/kubernetes/build

test-kubernetes: ## make clusters of that Kubernetes by the user data of the service, on hosts that are namespaces (root)
	@go run ./devstack/kubernetes/build --check
	@go test -json -p 1 -count 1 -timeout 60m -tags kubernetes ./drivers/userdata ./tests/controlplane ./tests/kubernetes | go run ./internal/testenv/summary

test-model: ## throw RUNS (10) rows of random requests and faults, of SEED, at a cluster and hold it to what must always be so
	go test -tags model ./tests/api -run '^TestModel$$' -count 1 -timeout 0 -rapid.checks $(RUNS) -rapid.seed $(SEED)

test-quick: ## run the tests that need no services: SQLite, memory, the simulator
	@go test -json -timeout $(TEST_TIMEOUT) $(PACKAGES) | go run ./internal/testenv/summary

bench: ## run the benchmarks, those of the running service among real servers; each beside something to compare it with
	devstack/debian/services run $(MAKE) bench-all

# what `make bench` runs among the services; not for use on its own
.PHONY: bench-all
bench-all:
	go test ./... -run '^$$' -bench . -p 1 -timeout $(TEST_TIMEOUT)

fuzz: ## run every fuzz target for FUZZTIME (10m) each, in turn; what is found is kept in testdata/fuzz
	@failed=; for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n 1 dirname | sort -u); do \
	  for target in $$(grep -ho '^func Fuzz[A-Za-z0-9]*' "$$dir"/*_test.go | cut -d ' ' -f 2); do \
	    echo "$$dir $$target"; \
	    go test "$$dir" -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x || failed+=" $$target"; \
	  done; \
	done; \
	if [[ -n $$failed ]]; then echo "failed:$$failed" >&2; exit 1; fi

check-generated: ## fail when a generated file is out of date (and refresh it)
	@sums() { git ls-files -z --cached --others --exclude-standard | sort -zu | \
	  while IFS= read -rd '' f; do if [[ -f $$f ]]; then sha256sum "$$f"; fi; done; }; \
	before=$$(sums); \
	$(MAKE) generate; \
	diff <(echo "$$before") <(sums) >&2 || \
	  { echo 'these generated files were out of date: look at them and commit them' >&2; exit 1; }

lint: ## gofmt, go vet, golangci-lint (built from source when it is not there)
	@out=$$(gofmt -l .); if [[ -n $$out ]]; then echo "not formatted, run gofmt -w:" $$out; exit 1; fi
	go vet ./...
	@lint=; for candidate in bin/tools/golangci-lint "$$(go env GOPATH)/bin/golangci-lint" golangci-lint; do \
	  if [[ $$("$$candidate" version --short 2>/dev/null) == $(GOLANGCI_VERSION) ]]; then lint=$$candidate; break; fi; \
	done; \
	if [[ -z $$lint ]]; then \
	  lint=bin/tools/golangci-lint; \
	  echo "building golangci-lint $(GOLANGCI_VERSION), once"; \
	  GOFLAGS= GOBIN=$(CURDIR)/bin/tools \
	    go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(GOLANGCI_VERSION); \
	fi; \
	echo "$$lint run" && "$$lint" run

generate: ## write the generated files anew
	go generate ./...

openstack-up: ## start a real OpenStack from Debian's packages on loopback, Jeroboam in its catalogue (root)
	devstack/debian/openstack install
	devstack/debian/openstack up

openstack-down: ## stop that OpenStack and remove its data
	devstack/debian/openstack down

clean: ## remove what was built
	rm -rf bin
