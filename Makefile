# Each target is one line; `make help` lists them.
CARGO ?= cargo
SEED ?= $(if $(KEEP),,1)
ARGS ?=
PEERS ?= $(HOME)/.cache/tandem-peers

.PHONY: help build run test check lint fmt doc bench fuzz miri sim interop package
help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12
build: ## the server, optimised
	$(CARGO) build --release -p tandem-server
run: build ## start a server on port 6379 (ARGS="--port 6380" for more options)
	target/release/tandem-server $(ARGS)
# The first of the two builds the server as well, with the features that the tests have: by itself it would be built once more.
test: ## all tests; those that need a real Redis or Valkey say so when there is none
	$(CARGO) test --workspace --no-run && $(CARGO) test --workspace
check: lint test ## what CI runs
lint: ## formatting, clippy, documentation
	$(CARGO) fmt --all --check && $(CARGO) clippy --workspace --all-targets -- -D warnings && RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps
fmt: ## format everything
	$(CARGO) fmt --all
doc: ## the crates' documentation
	$(CARGO) doc --workspace --no-deps
bench: ## criterion benchmarks of all crates
	$(CARGO) bench --workspace
fuzz: ## fuzz every parser of outside bytes for a while (SECONDS_EACH=60)
	tests/fuzz.sh
miri: ## the module with unsafe code under Miri, or under valgrind where the toolchain has no Miri
	tests/miri.sh
sim: ## replay one simulated run (SEED=n, or KEEP=n for one of the second kind), or COUNT=m from there
	SEED=$(SEED) KEEP=$(KEEP) COUNT=$(COUNT) $(CARGO) test --release -p tandem-tests --test simulation -- --nocapture replay
interop: ## tests against real Redis 7.0, Redis 8 and Valkey 9 servers and Sentinels, installed with Debian's packages if need be
	PEERS="$(PEERS)" tests/peers.sh && $(CARGO) build -p tandem-server && PEERS="$(PEERS)" TANDEM_REQUIRE_PEERS=all $(CARGO) test -p tandem-tests --test interop --test bridge --test second_connection --test rejoin --test failover --test sentinel --test tls --test network
package: ## check that every crate can be packaged
	$(CARGO) package --workspace --no-verify --allow-dirty
