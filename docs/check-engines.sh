#!/usr/bin/env bash
# Installs the engines that are on npm into a temporary folder and sees what they do under `aq`:
#  1. `aq doctor` with them on PATH: their versions, and whether they still know the switches that the adapters use;
#  2. one job for each case, against a server on loopback that speaks their model APIs (check-engines/model_server.py):
#     a success, a tool that is called, an error, a usage limit, a refused login, a refusal, and no login at all.
# What they print in each case is recorded in check-engines/shapes/, without what differs from run to run: the stand-ins of
# the tests play it. What `aq` makes of it goes to check-engines/results.tsv. No real service is asked for anything.
# Usage: docs/check-engines.sh [AQ]      (AQ: the binary; by default target/debug/aq)
# Ends with 1 if one of them could not be installed, no longer knows a switch, or did not end as a case has to.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
given=${1:-$here/../target/debug/aq}
aq=$(cd "$(dirname "$given")" && pwd)/$(basename "$given")
packages=(@anthropic-ai/claude-code @openai/codex @google/gemini-cli opencode-ai @sourcegraph/amp)
shapes=$here/check-engines/shapes

folder=$(mktemp -d)
mkdir -p "$folder/home" "$folder/queue" "$folder/bin" "$shapes"
cat >"$folder/queue/aq.toml" <<'TOML'
[engine.amp]
command = "amp"
args = ["{yolo}", "-x", "--stream-json"]
yolo = ["--dangerously-allow-all"]
events = "claude"
logged_out = ["login failed", "no api key found"]
TOML

failed=0
for package in "${packages[@]}"; do
    # A folder each: one that can't be installed leaves the others alone. It must not be called like the package.
    prefix=$folder/npm-${package//[@\/]/_}
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

# The exit code of an engine is recorded by a program of its name in front of it: of the job, not of a question after it.
for engine in claude codex gemini opencode amp; do
    program=$(command -v $engine) || continue
    printf '#!/bin/sh\n%s "$@"\ncode=$?\n[ -e %s/exit ] || echo $code >%s/exit\nexit $code\n' "'$program'" "$folder" "$folder" >"$folder/bin/$engine"
    chmod +x "$folder/bin/$engine"
done

python3 "$here/check-engines/model_server.py" >"$folder/port" 2>"$folder/server.log" </dev/null &
server=$!
trap 'kill $server; rm -rf "$folder"' EXIT
until [[ -s $folder/port ]]; do sleep 0.1; done
port=$(<"$folder/port")

# What differs from run to run.
normalised() {
    sed -E -e "s#$folder[^\"' ]*#/folder#g" -e "s#/tmp/[A-Za-z0-9_./-]*#/tmp/file#g" -e "s#127\.0\.0\.1:$port#127.0.0.1:1#g" \
        -e 's#[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}#00000000-0000-0000-0000-000000000000#g' \
        -e 's#(ses|msg|prt)_[0-9A-Za-z]{20,}#\1_0#g' -e 's#20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z#2026-11-30T12:00:00.000Z#g' \
        -e 's#"(timestamp|start|end)":1[0-9]{12}#"\1":1796040000000#g' -e 's#"(resetsAt)":[0-9]{10}#"\1":1796047200#g' \
        -e 's#("[A-Za-z0-9_]*(duration|ttft|time_to)[A-Za-z0-9_]*"):[0-9]+#\1:1#g' -e 's#"date":"[^"]*"#"date":""#g' \
        -e 's#"server":"[^"]*"#"server":""#g' -e 's#-reset":"[0-9]{10}"#-reset":"1796047200"#g' \
        -e 's#"tools":\[[^]]*\]#"tools":["Bash"]#; s#"(slash_commands|agents|skills)":\[[^]]*\]#"\1":[]#g' \
        -e 's#resets [0-9:]+[ap]m#resets 2pm#; s#try again at [0-9:]+ [AP]M#try again at 2:00 PM#' \
        -e 's#authToken=[0-9a-f]+#authToken=0#; s#_[0-9]{13}_0"#_0"#g; s#[0-9]+:[0-9]+\)$#1:1)#; s#chunk-[A-Z0-9]+#chunk#g'
}

# case_of ENGINE CASE EXPECTED VARIABLE=VALUE...: EXPECTED is how the job has to end, `STAGE REASON`.
case_of() {
    local engine=$1 name=$2 expected=$3 home=$folder/home-$1-$2 queue=$folder/queue-$1-$2 told
    shift 3
    [[ -x $folder/bin/$engine ]] || return
    mkdir -p "$home/.gemini" "$home/.codex" "$home/work" "$queue"
    cp "$folder/queue/aq.toml" "$queue/"
    # What gemini needs to be told before it takes a server that is not its own.
    [[ $name == none ]] || echo '{"security":{"auth":{"selectedType":"gemini-api-key"}},"general":{"maxAttempts":1}}' >"$home/.gemini/settings.json"
    cat >"$home/.codex/config.toml" <<TOML
model = "gpt-5-codex"
model_provider = "here"
[model_providers.here]
name = "here"
base_url = "http://127.0.0.1:$port/$name/v1"
wire_api = "responses"
env_key = "KEY"
request_max_retries = 0
stream_max_retries = 0
TOML
    printf -- '---\nengine: %s\nyolo: true\ntimeout: 4m\n---\nSay hello.\n' "$engine" >"$home/work/job.md"
    rm -f "$folder/exit"
    (
        cd "$home/work" || exit 1
        run=(env -i "HOME=$home" "TMPDIR=$folder" "PATH=$folder/bin:$PATH" "AQ_QUEUE=$queue" TERM=dumb IS_SANDBOX=1 "$@")
        "${run[@]}" "$aq" add job.md && "${run[@]}" "$aq" run --drain
    ) >"$folder/run.log" 2>&1 </dev/null
    told=$(AQ_QUEUE=$queue "$aq" show job --json | python3 -c '
import json, sys
job = json.load(sys.stdin)
print(job["stage"], job["reason"] or "-", sep="\t")
print((job["detail"] or "-").replace("\t", " "))')
    normalised <"$queue/.state/jobs/job/attempt-1/engine.out" >"$shapes/$engine.$name.out"
    printf '%s\t%s\t%s\t%s\t%s\n' "$engine" "$name" "$(cat "$folder/exit" 2>/dev/null || echo -)" \
        "$(head -n 1 <<<"$told")" "$(tail -n +2 <<<"$told" | normalised)" | tee -a "$here/check-engines/results.tsv"
    if [[ $(head -n 1 <<<"$told" | tr '\t' ' ') != "$expected" ]]; then
        echo "  expected: $expected"
        failed=1
    fi
}

printf 'engine\tcase\texit\tstage\treason\tdetail\n' >"$here/check-engines/results.tsv"
endings=("success shipped -" "tool shipped -" "error failed exit_code" "limit inbox usage_limit" "login inbox engine_paused")
for ending in "${endings[@]}" "refusal failed exit_code" "none inbox engine_paused"; do
    read -r name expected <<<"$ending"
    key=(ANTHROPIC_API_KEY=none)
    [[ $name == limit ]] && key=(CLAUDE_CODE_OAUTH_TOKEN=none) # limits of a plan, not of a key
    [[ $name == none ]] && key=()
    case_of claude "$name" "$expected" ${key[@]+"${key[@]}"} "ANTHROPIC_BASE_URL=http://127.0.0.1:$port/$name" \
        CLAUDE_CODE_MAX_RETRIES=0 DISABLE_AUTOUPDATER=1 CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1
done
for ending in "${endings[@]}" "refusal failed engine_error"; do
    read -r name expected <<<"$ending"
    case_of codex "$name" "$expected" KEY=none
    case_of gemini "$name" "$expected" GEMINI_API_KEY=none "GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:$port/$name" \
        GEMINI_MODEL=gemini-2.5-flash GEMINI_CLI_TRUST_WORKSPACE=true
done
case_of gemini none "inbox engine_paused" GEMINI_CLI_TRUST_WORKSPACE=true
for ending in "${endings[@]}" "refusal failed exit_code"; do
    read -r name expected <<<"$ending"
    provider="{\"npm\":\"@ai-sdk/anthropic\",\"options\":{\"baseURL\":\"http://127.0.0.1:$port/$name/v1\",\"apiKey\":\"none\"},"
    provider+="\"models\":{\"m\":{\"cost\":{\"input\":3,\"output\":15}}}}"
    case_of opencode "$name" "$expected" OPENCODE_DISABLE_AUTOUPDATE=1 OPENCODE_DISABLE_MODELS_FETCH=1 \
        "OPENCODE_CONFIG_CONTENT={\"model\":\"here/m\",\"small_model\":\"here/m\",\"provider\":{\"here\":$provider}}"
done
case_of amp none "inbox engine_paused" "AMP_URL=http://127.0.0.1:$port/none"
exit $failed
