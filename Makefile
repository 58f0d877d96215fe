# `make run` shows it; `make check test fuzz` is what CI runs.

.PHONY: run test test-browser test-redis test-real test-livekit test-client stress check check-deploy check-chart check-packages fire-alerts format bench bench-peers bench-io-uring fuzz setup-tests setup-tools setup-node

# The service with a simulated LiveKit, at http://localhost:8080. Built as the tests are: that takes less time than a release,
# and is fast enough to look at, since dependencies are optimised in it too.
run:
	cargo run --locked --no-default-features -- demo

# First what measures, alone, then what mostly waits, several at a time. A real LiveKit waits too, so that what needs neither it nor
# a browser is tested beside it, and the Helm chart with what builds its tools. The stress run wants the machine for itself.
test: setup-tests check-deploy
	cargo test --locked --test it delivery::
	cargo test --locked -- --test-threads=4 --skip delivery:: --skip client:: --skip page:: --skip redis:: --skip real:: --skip stress::whatever
	$(MAKE) check-packages
	scripts/beside.sh '$(MAKE) test-client && $(MAKE) test-redis' 'scripts/beside.sh "$(MAKE) test-real" "nice -n 19 $(MAKE) check-chart && $(MAKE) fire-alerts"'
	$(MAKE) test-browser
	STRESS_SEED=1 $(MAKE) stress SECONDS=60

test-browser: setup-tests
	cargo test --locked --test it -- --test-threads=4 client:: page::

test-redis: setup-tests
	cargo test --locked redis:: -- --test-threads=8 --skip real::

test-real: setup-tests
	cargo test --locked --test it real:: -- --test-threads=16

# The same with another LiveKit: `make test-livekit VERSION=1.8.0`. What versions differ in is in docs/livekit-behaviour.md.
test-livekit: setup-tests
	@test -n "$(VERSION)" || { echo 'say which: make test-livekit VERSION=1.8.0' >&2; exit 1; }
	scripts/setup-real-livekit.sh $(VERSION)
	LIVEKIT_SERVER=$(CURDIR)/.tools/livekit/$(VERSION)/livekit-server $(MAKE) test-real

# The package for browsers, without one: `cargo test client::` has them in Chromium. Its build in web/page is compiled in,
# so that the service builds without Node.js; here it is checked to be what the sources give.
test-client: setup-tests
	cd clients/js && npm run --silent check && npm run --silent build -- --check && npm run --silent size
	cd clients/js && npm test --silent && npm run --silent test:pack
	cd examples/react && npm run --silent build -- --logLevel warn

# Three instances, Redis and a simulated LiveKit, with everything going wrong. STRESS_SEED=… plays the faults of another run again.
SECONDS ?= 600
stress: setup-tests
	STRESS_SECONDS=$(SECONDS) cargo test --locked --test it stress:: -- --nocapture

check: setup-tools setup-node
	cargo fmt --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo fmt --check --manifest-path benches/io-uring/Cargo.toml
	cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items
	$(CARGO_DENY) --locked check bans licenses sources
	$(CARGO_MACHETE)
	.tools/shellcheck scripts/*.sh .ci/run
	.tools/actionlint -shellcheck .tools/shellcheck
	cd clients/js && npm run --silent lint

# What Docker would build and run, as far as that can be checked without it; `scripts/check-deploy.sh --build` compiles, too.
check-deploy: setup-tests
	scripts/check-deploy.sh
	scripts/check-alerts.sh

# The Helm chart. The first time, helm is built for it.
check-chart:
	scripts/setup-deploy.sh chart
	scripts/check-chart.sh

# Alerts of a real Prometheus, by what the service says while things break. Takes half a minute, most of it waiting.
fire-alerts: setup-tests
	cargo test --locked --quiet --no-run --test it
	scripts/fire-alerts.sh

# The package for Debian with the program of the tests, installed into an empty root, run there, and removed.
check-packages: setup-tests
	cargo test --locked --quiet --no-run --test it
	scripts/check-packages.sh

format: setup-node
	cargo fmt
	cargo fmt --manifest-path fuzz/Cargo.toml
	cargo fmt --manifest-path benches/io-uring/Cargo.toml
	cd clients/js && npm run --silent format

# The service beside a bare loop that writes the same bytes. Takes a few minutes; wants the machine for itself.
bench:
	cargo bench --locked --bench service

# The service beside nchan and a plain Node.js service, with the same load.
bench-peers:
	scripts/bench-peers.sh

# Whether io_uring sends one frame to many sockets for less. No part of the service, and built by nothing else.
bench-io-uring:
	CARGO_TARGET_DIR=target/io-uring cargo run --quiet --locked --release --manifest-path benches/io-uring/Cargo.toml

# FUZZ_SECONDS for each target.
FUZZ_SECONDS ?= 10
fuzz: setup-tests
	FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz.sh

setup-tests:
	scripts/setup-tests.sh

# What `make check` needs of Node.js: the package's eslint and prettier, which look at every script of this repository.
setup-node:
	scripts/setup-node.sh clients/js

# The tools of `make check`, of these versions, in a folder of this repository. Not optimised: they run for seconds, and are
# built in a third of the time.
CARGO_DENY := .tools/cargo-deny-0.20.2/bin/cargo-deny
CARGO_MACHETE := .tools/cargo-machete-0.9.2/bin/cargo-machete

setup-tools: $(CARGO_DENY) $(CARGO_MACHETE)
	scripts/setup-linters.sh

$(CARGO_DENY) $(CARGO_MACHETE):
	CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --debug --locked --root $(patsubst %/bin/$(@F),%,$@) \
		--version $(patsubst .tools/$(@F)-%/bin/$(@F),%,$@) $(@F)
