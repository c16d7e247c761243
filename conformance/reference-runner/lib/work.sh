# shellcheck shell=bash
# What becomes of one job: its engine, `verify`, `ship`, each bounded in time and with nothing left of it.

# TERM to all of it, KILL to what is left after the grace.
clear_away() {
    local pids deadline
    pids=$(marked "$1")
    [[ -z $pids ]] && return
    # shellcheck disable=SC2086 # a list of process ids
    kill -TERM $pids 2>/dev/null
    now_ms; deadline=$((REPLY + GRACE_MS))
    while pids=$(marked "$1"); [[ -n $pids ]]; do
        now_ms
        # shellcheck disable=SC2086
        ((REPLY < deadline)) || kill -KILL $pids 2>/dev/null
        pause 0.02
    done
}

# shorten OUTPUT BEFORE: of what was printed behind that many bytes, keeps beginning and end, in whole lines.
shorten() {
    local half=$((LOG_MAX / 2)) printed kept
    printed=$(($(wc -c <"$1") - $2))
    ((printed > LOG_MAX)) || return 0
    tail -c "+$(($2 + 1))" "$1" | head -c "$half" | sed '$d' >"$TMP/beginning.$JOB"
    tail -c "$half" "$1" | sed 1d >"$TMP/end.$JOB"
    kept=$(cat "$TMP/beginning.$JOB" "$TMP/end.$JOB" | wc -c)
    {
        head -c "$2" "$1"
        cat "$TMP/beginning.$JOB"
        echo "-- $((printed - kept)) bytes are missing here --"
        cat "$TMP/end.$JOB"
    } >"$1.short"
    mv "$1.short" "$1"
}

# bounded MARK LIMIT IDLE OUTPUT COMMAND...: runs it in the job's folder. REPLY is `exit N`, `timeout`, `idle`
# or `stopped`. It prints into a pipe, so that nothing it does to its streams shortens the log. It leads a process group
# where that is what its processes are found by.
bounded() {
    local mark=$1 limit=$2 idle=$3 output=$4 pid log started last size=0 grown code how='' before
    shift 4
    before=$(cat "$output" 2>/dev/null | wc -c)
    rm -f "$TMP/printed.$JOB"; mkfifo "$TMP/printed.$JOB"
    cat "$TMP/printed.$JOB" >>"$output" &
    log=$!
    now_ms; started=$REPLY last=$REPLY
    [[ -n $HAS_PROC ]] || set -m
    (
        unset "${!AQ_FLEET@}" QUIET_FD
        cd "$FOLDER" && exec "${DEFAULT_SIGNALS[@]}" "${SURROUNDINGS[@]}" AQ_RUN="$mark" AQ_JOB_ID="$JOB" AQ_ATTEMPT="$ATTEMPT" "$@"
    ) >"$TMP/printed.$JOB" 2>&1 &
    pid=$!
    [[ -n $HAS_PROC ]] || { set +m; echo "$pid $mark" >"$TMP/group.$JOB"; }
    while kill -0 $pid 2>/dev/null; do
        pause 0.01
        now_ms
        ((REPLY - started > limit)) && how=timeout
        if ((idle)); then
            grown=$(wc -c <"$output")
            if ((grown != size)); then size=$grown last=$REPLY; fi
            ((REPLY - last > idle)) && how=idle
        fi
        [[ -e $TMP/stop ]] && how=stopped
        if [[ -n $how ]]; then clear_away "$mark"; break; fi
    done
    wait $pid
    code=$?
    clear_away "$mark"
    rm -f "$TMP/group.$JOB"
    wait $log
    shorten "$output" "$((before))"
    REPLY=${how:-exit $code}
}

# What a job's commands have in place of this process's own environment.
SURROUNDINGS=()

# Where a job was worked on, and with which environment, for whoever approves it; it may hold secrets.
keep_surroundings() { # ID
    (umask 077; unset "${!AQ_FLEET@}"; { printf '%s\0' "$HERE"; environment; } >"$STATE/jobs/$1/surroundings.new") \
        && mv "$STATE/jobs/$1/surroundings.new" "$STATE/jobs/$1/surroundings"
}

digest_of() { # FILE: REPLY, nothing for what is no file
    REPLY=''
    [[ -f $1 && ! -L $1 ]] && REPLY=$(sha256 <"$1")
}

# The code of the contract for a step that ended like this, as `bounded` says it: REPLY.
code_of() { # STEP END
    case $1:$2 in
        verify:*) REPLY=verify_failed ;;
        ship:*) REPLY=ship_failed ;;
        engine:timeout | engine:idle) REPLY=$2 ;;
        *) REPLY=exit_code ;;
    esac
}

# Puts a job that is not what was taken into work into quarantine; 1: it is what it was.
changed() { # ID STAGE DIGEST [COPY]
    local file=$QUEUE/$2/$1.md
    digest_of "$file"
    [[ $REPLY == "$3" ]] && return 1
    [[ -e $file || -L $file || -z ${4-} ]] || cp "$4" "$file"
    record_reason "$1" changed_in_work "its file is not the one that was taken into work"
    move "$1" "$2" quarantine
}

milliseconds() { # DURATION: REPLY, 0 for none
    REPLY=0
    [[ -z $1 ]] || REPLY=$(awk -v s="$(seconds "$1")" 'BEGIN { printf "%d", s * 1000 }')
}

# Starts the job's engine as it wants to be started: the prompt by file or on standard input, never an open one.
engine() { # MARK LIMIT IDLE OUTPUT PROMPT
    local words input=/dev/null
    fact "$JOB" engine ''; local engine=$REPLY
    fact "$JOB" yolo false; local yolo=$REPLY
    case $engine in
        devin) words=(devin -p --prompt-file "$5"); [[ $yolo == true ]] && words+=(--permission-mode dangerous) ;;
        claude) words=(claude -p --output-format stream-json --verbose) input=$5; [[ $yolo == true ]] && words+=(--dangerously-skip-permissions) ;;
        codex) words=(codex exec --json --skip-git-repo-check) input=$5; [[ $yolo == true ]] && words+=(--dangerously-bypass-approvals-and-sandbox); words+=(-) ;;
        gemini) words=(gemini -o stream-json) input=$5; [[ $yolo == true ]] && words+=(--yolo); words+=(-p '') ;;
        opencode) words=(opencode run --format json) input=$5; [[ $yolo == true ]] && words+=(--auto) ;;
        sh) awk '{ sub(/\r$/, ""); print }' "$5" >"$5.lf" && mv "$5.lf" "$5"; words=(sh -e "$5") ;;
    esac
    bounded "$1" "$2" "$3" "$4" "${words[@]}" <"$input"
}

# The whole way of one job that lies in building/; ends with the job in another stage and its lock free.
work_on() {
    JOB=$1
    local folder=$STATE/jobs/$1 limit idle lock verify retries review digest step=engine copy=$TMP/copy.$1
    fact "$1" lock ''; lock=$REPLY
    cp -RP "$QUEUE/building/$1.md" "$copy"
    digest_of "$copy"; digest=$REPLY
    # A job that was in work before is the one that was.
    if [[ -f $folder/digest ]] && changed "$1" building "$(<"$folder/digest")"; then leave_lock "$lock"; return; fi
    echo "$digest" >"$folder/digest"
    ATTEMPT=$(($(cat "$folder/attempts" 2>/dev/null || echo 0) + 1))
    echo $ATTEMPT >"$folder/attempts"
    fact "$1" timeout 4h; milliseconds "$REPLY"; limit=$REPLY
    fact "$1" idle_timeout ''; milliseconds "$REPLY"; idle=$REPLY
    fact "$1" verify ''; verify=$REPLY
    fact "$1" review false; review=$REPLY
    fact "$1" retries 0; retries=$REPLY
    fact "$1" cwd .; REPLY=${REPLY/#\~\//$HOME/}; FOLDER=$(cd "$HERE" && cd "$REPLY" 2>/dev/null && pwd)
    fact "$1" body 1; tail -n "+$REPLY" "$copy" >"$folder/prompt.md"
    if [[ -z $FOLDER ]]; then REPLY="exit 1"
    else engine "$QUEUE:$1:$ATTEMPT" "$limit" "$idle" "$folder/output" "$folder/prompt.md"; fi
    local ended=$REPLY stage=building
    if changed "$1" "$stage" "$digest" "$copy"; then leave_lock "$lock"; return; fi
    if [[ $ended == "exit 0" && -n $verify ]]; then
        move "$1" building testing && stage=testing
        step=verify
        bounded "$QUEUE:$1:$ATTEMPT" "$limit" 0 "$folder/output" sh -e -c "$verify" </dev/null
        ended=$REPLY
        if changed "$1" "$stage" "$digest" "$copy"; then leave_lock "$lock"; return; fi
    fi
    if [[ $ended == stopped ]]; then
        echo $((ATTEMPT - 1)) >"$folder/attempts"
        move "$1" "$stage" inbox
    elif [[ $ended == "exit 0" && $review == true ]]; then keep_surroundings "$1"; move "$1" "$stage" review
    elif [[ $ended == "exit 0" ]]; then publish "$1" "$stage" "$limit"
    elif [[ $ended == exit* ]] && ((ATTEMPT <= retries)); then move "$1" "$stage" inbox
    elif [[ -z $FOLDER ]]; then fail_job "$1" "$stage" not_started "its folder is none"
    else code_of $step "$ended"; fail_job "$1" "$stage" "$REPLY" "$ended"; fi
    leave_lock "$lock"
}

publish() { # ID STAGE LIMIT: runs `ship`, where there is one
    local ship
    fact "$1" ship ''; ship=$REPLY
    REPLY="exit 0"
    [[ -z $ship ]] || bounded "$QUEUE:$1:$ATTEMPT" "$3" 0 "$STATE/jobs/$1/output" sh -e -c "$ship" </dev/null
    if [[ $REPLY == "exit 0" ]]; then move "$1" "$2" shipped; else local ended=$REPLY; code_of ship "$ended"; fail_job "$1" "$2" "$REPLY" "$ended"; return 1; fi
}
