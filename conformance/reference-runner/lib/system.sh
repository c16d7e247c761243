# shellcheck shell=bash
# What systems and shells do differently: clocks, waits, digests, and what is known of other processes. Linux tells that
# in /proc; elsewhere `ps` and `lsof` are asked. REFERENCE_PLAIN=1 makes a new bash on Linux do as an old one on a Mac.

PLAIN=${REFERENCE_PLAIN-}
HAS_PROC=''
[[ -z $PLAIN && -r /proc/self/environ ]] && HAS_PROC=1
HAS_NEW_BASH=''
[[ -z $PLAIN && ${BASH_VERSINFO[0]} -ge 5 ]] && HAS_NEW_BASH=1

# Milliseconds since the epoch; without a process, where the shell has them.
now_ms() {
    if [[ -n $HAS_NEW_BASH ]]; then
        local now=${EPOCHREALTIME/,/.}
        REPLY=${now/./}; REPLY=${REPLY%???}
    else
        REPLY=$(perl -MTime::HiRes=time -e 'printf "%d", time * 1000')
    fi
}

# `date` has no milliseconds everywhere.
instant() { date -u +%Y-%m-%dT%H:%M:%SZ; }

# A pause; it starts no process, where the shell can wait for less than a second.
pause() {
    if [[ -n $HAS_NEW_BASH ]]; then read -rt "$1" <>"$QUIET" || true; else sleep "$1"; fi
}

# Until a job of this shell ends; an old shell looks again in a moment.
wait_for_any_job() {
    if [[ -n $HAS_NEW_BASH ]]; then wait -n 2>/dev/null; else pause 0.05; fi
}

# Until one of these two is gone.
wait_for_either() {
    if [[ -n $HAS_NEW_BASH ]]; then wait -n "$1" "$2" 2>/dev/null; return; fi
    while kill -0 "$1" 2>/dev/null && kill -0 "$2" 2>/dev/null; do pause 0.05; done
}

# A program with the default for every signal: bash hands on what is ignored.
DEFAULT_SIGNALS=(env --default-signal)
if [[ -n $PLAIN ]] || ! env --default-signal true 2>/dev/null; then
    # shellcheck disable=SC2016 # perl's own variables
    DEFAULT_SIGNALS=(perl -e '$SIG{$_} = "DEFAULT" for keys %SIG; my $program = $ARGV[0]; exec $program @ARGV or exit 127' env)
fi

# sha256 of standard input
sha256() { if [[ -z $PLAIN ]] && type -P sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }

# The environment of this shell, each variable ended by a zero byte.
environment() {
    local name
    for name in $(compgen -e); do printf '%s=%s\0' "$name" "${!name-}"; done
}

# When a process was started, as one word: a number that was used again has another.
born() {
    local stat
    REPLY=''
    if [[ -z $HAS_PROC ]]; then
        REPLY=$(ps -o lstart= -p "$1" | tr -s ' ' '_')
        [[ -n $REPLY ]]
        return
    fi
    read -r stat <"/proc/$1/stat" || return 1
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    REPLY=${20}
} 2>/dev/null

# Whether some process has this file open for writing: on Linux the last octal digit of its flags says so.
is_written() {
    local descriptor key value
    if [[ -z $HAS_PROC ]]; then
        PATH=$PATH:/usr/sbin lsof -Fa -- "$1" 2>/dev/null | grep -q '^a[wu]'
        return
    fi
    for descriptor in /proc/[0-9]*/fd/*; do
        [[ $descriptor -ef $1 ]] || continue
        while read -r key value; do
            [[ $key == flags: ]] && ((8#${value: -1} & 3)) && return 0
        done 2>/dev/null <"${descriptor/\/fd\//\/fdinfo\/}"
    done
    return 1
}

# Every process that was started for this run, wherever it fled: they all have its mark in their environment. Where
# there is no /proc, also what is in a process group of its commands: a system may hide the environment of its own
# programs.
marked() {
    local file groups
    if [[ -z $HAS_PROC ]]; then
        groups=$(cat "$TMP"/group.* 2>/dev/null | awk -v mark="$1" 'index($0, $1 " " mark) == 1 { printf " %s", $1 }')
        # Not as an argument of awk, which `ps` would show.
        { printf '%s\n%s \n' "$1" "$groups"; ps -A -E -ww -o pid=,pgid=,stat=,command=; } | awk '
            NR == 1 { mark = "AQ_RUN=" $0; next }
            NR == 2 { groups = $0; next }
            $3 ~ /^Z/ { next }
            index($0, mark) || index(groups, " " $2 " ") { print $1 }'
        return
    fi
    grep -lsaF "AQ_RUN=$1" /proc/[0-9]*/environ 2>/dev/null | while IFS=/ read -r _ _ file _; do
        [[ $file == "$$" || $file == "${BASHPID-}" ]] || echo "$file"
    done
}
