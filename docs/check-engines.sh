#!/usr/bin/env bash
# Installs the engines that are on npm into a temporary folder, and runs `aq doctor` with them on PATH.
# Usage: docs/check-engines.sh [AQ]      (AQ: the binary; by default target/debug/aq)
# Nothing is asked of the engines but their version, their help and whether they are logged in. Ends with 1 if one of
# them could not be installed, or no longer knows a switch that its adapter uses.
set -uo pipefail

given=${1:-$(dirname "$0")/../target/debug/aq}
aq=$(cd "$(dirname "$given")" && pwd)/$(basename "$given")
packages=(@anthropic-ai/claude-code @openai/codex @google/gemini-cli opencode-ai @sourcegraph/amp)

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/home" "$folder/queue"
cat >"$folder/queue/aq.toml" <<'TOML'
[engine.amp]
command = "amp"
args = ["{yolo}", "-x", "--stream-json"]
yolo = ["--dangerously-allow-all"]
TOML

failed=0
for package in "${packages[@]}"; do
    # A folder each: one that can't be installed leaves the others alone.
    prefix=$folder/${package//[@\/]/_}
    mkdir -p "$prefix"
    if npm install --prefix "$prefix" --no-fund --no-audit --loglevel=error "$package" >"$folder/npm.log" 2>&1; then
        PATH=$prefix/node_modules/.bin:$PATH
    else
        echo "could not install $package:"
        sed 's/^/  /' "$folder/npm.log"
        failed=1
    fi
done

# A home of its own: what the engines write at their first start stays out of yours.
cd "$folder" || exit 1
HOME=$folder/home AQ_QUEUE=$folder/queue AQ_FLEET=0 PATH=$PATH "$aq" doctor || failed=1
exit $failed
