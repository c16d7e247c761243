# shellcheck shell=bash
# The shadow lane: a process of its own that asks, compares and mirrors, at its own pace. The runner writes short
# messages into a FIFO and never waits: before it could fill, messages are dropped and counted.

LANE_BOUND=60

start_lane() {
    SENT=0 LANE_PID=''
    [[ $MODE == shadow ]] || return 0
    mkdir "$TMP/decisions" && mkfifo "$TMP/lane" && : >"$TMP/told" && : >"$TMP/sent" || return 0
    catch_up
    LANE=9
    exec 9<>"$TMP/lane"
    # In a process group of its own, so that it can be ended with whatever call it waits for.
    set -m
    lane &
    LANE_PID=$!
    set +m
}

tell() { # WORD...: a message, if there is room
    [[ -n $LANE_PID ]] || return 0
    local taken
    taken=$(wc -c <"$TMP/told")
    SENT=$(wc -c <"$TMP/sent" 2>/dev/null || echo 0)
    ((SENT - taken < LANE_BOUND)) || return 1
    printf . >>"$TMP/sent"
    printf '%s\n' "$*" >&"$LANE"
}

tell_stage() { # ID STAGE
    local stage=$2
    [[ $stage == inbox ]] && stage=queued
    [[ $stage == quarantine ]] && stage=quarantined
    # What there is no room for is kept, and sent before the next question.
    tell report "$1" "$stage" || echo "$stage" >"$STATE/pending/$1"
}

# decision NUMBER ID: what was decided, and what the queue looked like then.
tell_decision() {
    [[ -n $LANE_PID ]] || return 0
    {
        cat "$TMP/waiting"
        local stage file
        for stage in building testing review shipped failed quarantine; do
            for file in "$QUEUE/$stage"/*.md; do
                [[ -f $file ]] && { file=${file##*/}; echo "0 0 ${file%.md} - $stage"; }
            done
        done
    } >"$TMP/decisions/$1"
    echo "${2:-}" >"$TMP/decisions/$1.local"
    tell decision "$1" || { rm -f "$TMP/decisions/$1"; line skipped "$2" '' '' ",\"decision\":\"$RUN_ID-$1\",\"reason\":\"lane_full\""; }
}

# Waits for the lane as long as it may, then ends it and says which decisions it never came to.
end_lane() {
    [[ -n $LANE_PID ]] || return 0
    local file number timer
    tell end
    sleep "$DRAIN_LIMIT" &
    timer=$!
    wait_for_either "$LANE_PID" "$timer"
    kill -KILL -- "-$LANE_PID" 2>/dev/null
    kill "$timer" 2>/dev/null
    wait "$LANE_PID" "$timer" 2>/dev/null
    for file in "$TMP"/decisions/*.local; do
        [[ -f $file ]] || continue
        number=${file##*/} number=${number%.local}
        line skipped "$(<"$file")" '' '' ",\"decision\":\"$RUN_ID-$number\",\"reason\":\"exit\""
    done
}

word() { [[ -z $1 ]] && echo null || printf '"%s"' "$1"; }

# line EVENT LOCAL COORD VERDICT EXTRA: one line of the log, one write.
line() {
    printf '{"ts":"%s","event":"%s","localJob":%s,"coordJob":%s,"verdict":%s%s}\n' \
        "$(instant)" "$1" "$(word "$2")" "$(word "$3")" "$(word "$4")" "$5" 2>/dev/null >>"$LOG"
} 2>/dev/null

# call PATH BODY: STATUS, KIND (empty where an answer came), VALUES (the answer's values).
call() {
    local answer=$TMP/answer code told extra=()
    [[ -z $TOKEN ]] || extra=(--config -)
    set -- "$1" "$2" "${extra[@]}"
    told=$(printf 'header = "Authorization: Bearer %s"\n' "$TOKEN" | {
        curl -q -sS "${@:3}" --noproxy '*' --max-time "$CALL_LIMIT" --proto '=http,https' -X POST \
            -H 'Content-Type: application/json' --data-binary "$2" -w '%{stderr}\n%{http_code} %{content_type}' \
            "$URL$1" 2>&3 | head -c 1048577 >"$answer"
        exit "${PIPESTATUS[0]}"
    } 3>&1)
    code=$?
    told=${told##*$'\n'} STATUS=${told%% *} KIND='' VALUES=''
    local type=${told#* }
    if [[ $(wc -c <"$answer") -gt 1048576 || $code == 63 ]]; then KIND=too-large
    else
        case $code in
            0) ;;
            7) KIND=connection-refused ;;
            28) KIND=timeout ;;
            52) KIND=connection-closed ;;
            18) KIND=truncated ;;
            55 | 56) KIND=connection-reset ;;
            1 | 8) KIND=not-json ;;
            *) KIND=connect-failed ;;
        esac
    fi
    [[ -n $KIND ]] && return 1
    case $STATUS in
        3??) KIND=redirect ;;
        200 | 201 | 202)
            if [[ $type != application/json* ]]; then KIND=wrong-content-type
            else VALUES=$(awk -f "$LIB/json.awk" -f "$LIB/json-lines.awk" "$answer") || KIND=not-json; fi ;;
        204) ;;
        *) KIND=status-$STATUS ;;
    esac
    [[ -z $KIND ]]
}

# value PATH: TYPE and REPLY of one value of the answer.
value() {
    local path type text
    TYPE='' REPLY=''
    while IFS=$'\t' read -r path type text; do
        [[ $path == "$1" ]] && { TYPE=$type REPLY=$text; return 0; }
    done <<<"$VALUES"
    return 1
}

caps_json() { printf '["%s"]' "${CAPS//,/\",\"}"; }
