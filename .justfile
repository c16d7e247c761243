# What CI runs, a recipe for each step. `just` lists them; `.ci/run` calls `just ci`.

set shell := ["bash", "-euo", "pipefail", "-c"]

programs := env("CARGO_TARGET_DIR", "target") / "debug"
conformance := "AQ_BIN=" + programs / "aq " + programs / "conformance"
selftest := "AQ_BIN=" + programs / "aq " + programs / "conformance-selftest"

# List the recipes
[private]
default:
    @just --list --unsorted

# Everything that a change has to pass
ci: check test deaf stress readme rehearse console schemathesis conform reference coverage mutants property sweep weekend portable macos package container

# All programs, with what their tests need of the crates below: built alone, each would build those anew
[private]
build:
    cargo build --workspace --all-targets --locked

# Format and lints
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

# All tests
test:
    cargo test --workspace --locked

# The tests that start programs, with the signals that some agents leave ignored or blocked
deaf:
    cargo test --workspace --locked --config "target.'cfg(unix)'.runner=['$PWD/.ci/deaf']" \
      --test offline --test harness --test runs --test reference --test command_line

# The stub under load, with ten times the jobs of the test
stress:
    STRESS_JOBS=10000 cargo test --workspace --locked --test stress

# The README's commands print what it shows; needs Python
readme: build
    .ci/readme {{ programs }}

# The rollout on one desk: up the ladder, through trouble and back, every job counted
rehearse seeds="3": build
    for seed in $(seq {{ seeds }}); do {{ conformance }} rehearse --seed $seed || exit; done

# The console in a real browser; needs chromium and chromedriver
console:
    cargo test --workspace --features stub-coordinator/browser --test console --locked

# The API documents against the stub; needs Python and fetches schemathesis
schemathesis seed="1":
    stub-coordinator/tests/schemathesis/run.sh {{ seed }}

# `aq` through every scenario
conform: build
    {{ conformance }}

# The reference runner in bash through every scenario
reference: build
    {{ conformance }} run --profile conformance/reference-runner/profile.toml

# Which checks, scenarios and mutants stand for each clause
coverage: build
    {{ selftest }} coverage

# Every mutant, a runner with one deliberate fault
mutants: build
    {{ selftest }} mutants

# Generated jobs beside generated coordinators
property cases="300" seed="1000": build
    {{ selftest }} property --cases {{ cases }} --seed {{ seed }}

# Kills at every step, and the mutants of the sweep
sweep kills="400" seed="1000": build
    {{ selftest }} sweep --kills {{ kills }} --seed {{ seed }}
    {{ selftest }} sweep --wrong

# Jobs on a host that goes through full disks, ended logins, kills and lost files; needs root or user namespaces, and
# says so where they lack (exit code 3)
weekend jobs="300" seed="1000": build
    {{ selftest }} weekend --jobs {{ jobs }} --seed {{ seed }} || [ $? = 3 ]

# Simulated coordinators, each with a gate that is looked at daily: the table of those that were promoted wrongly
lives count="2000":
    GATE_LIVES={{ count }} cargo test -p runner --locked --bin aq gate::lives -- --nocapture

# Archive, installer and Debian package of this platform, installed and used outside the checkout; needs cargo-deb
package:
    .ci/package

# The container image of that archive; needs root, namespaces, buildah and debootstrap, and says so where they lack
container: package
    .ci/container target/packaging/out/*.tar.gz

# The half that macOS is built from, here: the tests of the programs and so every scenario, those of the harness that
# start runners, the runner in bash, generated jobs
portable:
    #!/usr/bin/env bash
    set -euo pipefail
    export RUSTFLAGS="--cfg portable" CARGO_TARGET_DIR=target/portable AQ_BIN=$PWD/target/portable/debug/aq
    cargo test --locked -p runner -p stub-coordinator -p conformance
    cargo test --locked -p conformance-selftest --test harness --test reference
    target/portable/debug/conformance run --profile conformance/reference-runner/profile.toml
    target/portable/debug/conformance-selftest property --cases 100 --seed 1000

# The compiler's check of everything for macOS, tests too; needs the component rust-src
macos target="aarch64-apple-darwin":
    .ci/macos-check {{ target }}

# What takes long: run once a week
long seed="1": build
    {{ selftest }} steady --runs 50 --shuffle {{ seed }}
    {{ selftest }} property --cases 5000 --seed {{ seed }}
    {{ selftest }} weekend --jobs 2000 --seed {{ seed }}
    {{ selftest }} weekend --wrong --seed {{ seed }}

# Licences, bans and sources of what is built in; needs cargo-deny
deny:
    cargo deny --locked check licenses bans sources

# Known vulnerabilities; needs cargo-deny and fetches the list
advisories:
    cargo deny --locked check advisories

# What the programs cost
bench:
    cargo bench -p runner
    cargo bench -p stub-coordinator

# Write the files that are generated from types
generate: build
    {{ conformance }} schema >scenarios/schema.json
    {{ conformance }} schema profile >conformance/profile.schema.json
    {{ conformance }} schema events >conformance/events.schema.json
