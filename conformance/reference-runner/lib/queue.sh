# shellcheck shell=bash
# The queue folder: who moves a job where, which locks are held, what could run next.

# Whether nobody but this user and root can change a file or a folder.
is_own() {
    [[ -z $(find "$1" -maxdepth 0 \( -perm -o+w -o ! -user "$EUID" ! -user 0 \) 2>/dev/null) ]]
}

# Whether what is on record of a job can be worked with.
is_record() { [[ -d $STATE/jobs/$1 && ! -L $STATE/jobs/$1 && -w $STATE/jobs/$1 ]]; }

prepare_queue() {
    local stage path
    for path in "$QUEUE/" "${STAGES[@]/#/$QUEUE/}" "$QUEUE/aq.toml"; do
        [[ ! -e $path ]] || is_own "$path" || die 2 "others can write to $path; type: chmod go-w $path"
    done
    umask go-w
    for stage in "${STAGES[@]}"; do
        mkdir -p "$QUEUE/$stage" 2>/dev/null && [[ -r $QUEUE/$stage && -d $QUEUE/$stage ]] \
            || die 1 "$QUEUE/$stage can't be read; nothing is done, because an unreadable queue is no empty one"
    done
    mkdir -p "$STATE"/{jobs,locks,seq,pending,mirror,runners} && chmod 700 "$STATE" || die 1 "$STATE can't be written"
}

# Runs a command while no other process of this queue is in here. A holder that is gone is cleared away.
exclusively() {
    until mkdir "$STATE/mutex" 2>/dev/null; do
        local pid
        pid=$(cat "$STATE/mutex/pid" 2>/dev/null) && [[ -n $pid ]] && ! kill -0 "$pid" 2>/dev/null && rm -rf "$STATE/mutex"
        pause 0.01
    done
    echo $$ >"$STATE/mutex/pid"
    "$@"
    local code=$?
    rm -rf "$STATE/mutex"
    return $code
}

stage_of() {
    local stage
    for stage in "${STAGES[@]}"; do
        [[ -f $QUEUE/$stage/$1.md ]] && { REPLY=$stage; return 0; }
    done
    REPLY=''
    return 1
}

# The next number of the order in which jobs were enqueued.
number_job() {
    local next
    next=$(($(cat "$STATE/sequence" 2>/dev/null || echo 0) + 1))
    echo $next >"$STATE/sequence"
    echo $next >"$STATE/seq/$1"
}

# Files placed by hand get their number when they are first seen whole; bad ones fail. WRITTEN is set where one is still
# being written.
notice() {
    local file id
    WRITTEN=''
    for file in "$QUEUE"/inbox/*.md; do
        [[ -f $file ]] || continue
        id=${file##*/} id=${id%.md}
        if [[ -e $STATE/jobs/$id || -L $STATE/jobs/$id ]] && ! is_record "$id"; then
            say "$id: record_damaged: $STATE/jobs/$id is no folder of this user's"
            mv "$file" "$QUEUE/quarantine/"
            continue
        fi
        if [[ ! -f $STATE/jobs/$id/facts ]]; then
            if is_written "$file"; then WRITTEN=$id; continue; fi
            mkdir -p "$STATE/jobs/$id"
            if ! is_own "$file"; then
                say "$id.md: foreign_file: others can write it, so it is not run"
                record_reason "$id" foreign_file
                mv "$file" "$QUEUE/failed/"
                continue
            fi
            if ! is_id "$id" || ! facts_of "$file" "$id" >"$STATE/jobs/$id/facts.new" 2>"$STATE/jobs/$id/complaint"; then
                cat "$STATE/jobs/$id/complaint" >&2
                record_reason "$id" job_invalid "$(head -n 1 "$STATE/jobs/$id/complaint")"
                mv "$file" "$QUEUE/failed/"
                continue
            fi
            mv "$STATE/jobs/$id/facts.new" "$STATE/jobs/$id/facts"
        fi
        [[ -f $STATE/seq/$id ]] || number_job "$id"
    done
}

# facts_of FILE NAME: the front matter as `key <tab> value`, in which \001 stands for a new line.
facts_of() {
    [[ $(wc -c <"$1") -le 1048576 ]] || { echo "$2.md:1: over 1 MiB; shorten it" >&2; return 1; }
    awk -v name="$2.md" -f "$LIB/jobfile.awk" "$1"
}

# fact ID KEY default: REPLY.
fact() {
    local key value
    REPLY=$3
    while IFS=$'\t' read -r key value; do
        [[ $key == "$2" ]] && REPLY=${value//$'\001'/$'\n'}
    done <"$STATE/jobs/$1/facts"
}

# What the factory can do: its own capabilities and an `engine:` for each engine on PATH.
find_caps() {
    local engine
    CAPS=${OWN_CAPS//[[:space:]]/}
    for engine in "${KNOWN_ENGINES[@]}"; do
        type -P "$engine" >/dev/null && CAPS+="${CAPS:+,}engine:$engine"
    done
}

is_able() { # ID: whether this factory can run it at all
    local cap
    fact "$1" engine ''
    [[ ",$CAPS," == *",engine:$REPLY,"* ]] || return 1
    fact "$1" caps ''
    for cap in ${REPLY//,/ }; do
        [[ ",$CAPS," == *",$cap,"* ]] || return 1
    done
}

lock_is_free() {
    local pid
    [[ -d $STATE/locks/$1 ]] || return 0
    pid=$(cat "$STATE/locks/$1/pid" 2>/dev/null)
    [[ -n $pid ]] && ! kill -0 "$pid" 2>/dev/null && rm -rf "${STATE:?}/locks/$1"
}

take_lock() {
    [[ -z $1 ]] && return 0
    lock_is_free "$1" && mkdir "$STATE/locks/$1" 2>/dev/null && echo "$$" >"$STATE/locks/$1/pid"
}

leave_lock() { [[ -z $1 ]] || rm -rf "${STATE:?}/locks/$1"; }

# A line a waiting job, in order: PRIORITY SEQUENCE ID LOCK WORD; WORD is eligible, caps or lock_held.
waiting() {
    local file id priority lock word
    for file in "$QUEUE"/inbox/*.md; do
        [[ -f $file ]] || continue
        id=${file##*/} id=${id%.md} word=eligible
        [[ -f $STATE/jobs/$id/facts ]] || continue
        fact "$id" priority 0; priority=$REPLY
        fact "$id" lock ''; lock=$REPLY
        if ! is_able "$id"; then word=caps
        elif [[ -n $lock ]] && ! lock_is_free "$lock"; then word=lock_held; fi
        echo "$priority $(cat "$STATE/seq/$id") $id ${lock:--} $word"
    done | sort -k1,1nr -k2,2n -k3,3
}

# Moves a job and tells the lane.
move() { # ID FROM TO
    mv "$QUEUE/$2/$1.md" "$QUEUE/$3/$1.md" || return 1
    tell_stage "$1" "$3"
}

# Why a job is where it is: a code of the contract, and a sentence for people.
record_reason() { # ID CODE [DETAIL]
    local detail=${3-}
    echo "$2" >"$STATE/jobs/$1/reason"
    echo "${detail//[\"\\]/}" >"$STATE/jobs/$1/detail"
}

fail_job() { # ID FROM CODE [DETAIL]
    record_reason "$1" "$3" "${4-}"
    move "$1" "$2" failed
}
