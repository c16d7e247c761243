#!/usr/bin/env bash
# schemathesis against the served document of a stub that this starts: every check, every phase, the stateful one too.
#
#   stub-coordinator/tests/schemathesis/run.sh [SEED...]        seeds to run with, one after the other; 1 where none is given
#   SCHEMATHESIS_EXAMPLES=100 stub-coordinator/tests/schemathesis/run.sh 7
#
# Needs cargo and Python 3.11 or later with venv. Fetches schemathesis once into target/: the files whose hashes stand in
# requirements.txt, and no other. A newer version:
#
#   echo schemathesis==VERSION | uv pip compile --universal --generate-hashes --python-version 3.11 --no-emit-index-url \
#     --no-header --no-annotate --only-binary :all: - -o stub-coordinator/tests/schemathesis/requirements.txt
set -euo pipefail
cd "$(dirname "$0")/../../.."

requirements=stub-coordinator/tests/schemathesis/requirements.txt
# macOS calls it otherwise.
digest=$(sha256sum "$requirements" 2>/dev/null || shasum -a 256 "$requirements")
venv=target/schemathesis-${digest:0:16}
if [ ! -e "$venv/complete" ]; then
  python3 -m venv --clear "$venv"
  # A source distribution would bring what it is built with, and that has no hash here.
  "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r "$requirements"
  touch "$venv/complete"
fi
cargo build --quiet --locked --workspace --all-targets # as other steps of the gate do

# Enough jobs that claims are granted, and leases can be renewed, reported on and given back.
work=target/schemathesis-run
rm -rf "$work" && mkdir -p "$work"
for number in $(seq 100 399); do
  printf -- '---\nengine: sh\n---\ntrue\n' >"$work/job-$number.md"
done

token=token-for-schemathesis
(umask 077 && echo "$token" >"$work/token.txt")
mkfifo "$work/started"
target/debug/stub-coordinator --port 0 --policy schemathesis@1 --token-file "$work/token.txt" --jobs "$work"/*.md \
  >"$work/started" 2>"$work/stub.log" &
stub=$!
trap 'kill "$stub" 2>/dev/null || true' EXIT
# Open to the end: the stub goes on to write there.
exec 3<"$work/started"
read -r started <&3
url=$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["url"])' "$started")

export PYTHONPATH=$PWD/stub-coordinator/tests/schemathesis PYTHONDONTWRITEBYTECODE=1 SCHEMATHESIS_HOOKS=hooks
schemathesis=$PWD/$venv/bin/schemathesis
cd "$work"
for seed in "${@:-1}"; do
  "$schemathesis" run "$url/v1/openapi.json" \
    --checks all --phases examples,coverage,fuzzing,stateful \
    --header "Authorization: Bearer $token" \
    --max-examples "${SCHEMATHESIS_EXAMPLES:-20}" --seed "$seed" --generation-database none
done

# The control API's document last, as what it does changes the stub. Which rules, questions and states make sense is
# more than a schema can say, so the two checks of accepted and rejected data are left out, and so is the endless
# stream of events.
control=$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["controlUrl"])' "$started")
unset SCHEMATHESIS_HOOKS
"$schemathesis" run "$control/_stub/openapi.json" \
  --checks all --exclude-checks positive_data_acceptance,negative_data_rejection \
  --phases examples,coverage,fuzzing,stateful --exclude-path /_stub/events --warnings off \
  --header "Authorization: Bearer $token" \
  --max-examples 10 --seed "${1:-1}" --generation-database none
