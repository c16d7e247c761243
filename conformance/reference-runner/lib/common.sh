# shellcheck shell=bash
# Words that everything here shares: messages, durations, settings, the shape of names.

STAGES=(inbox building testing review shipped failed quarantine)
KNOWN_ENGINES=(devin claude codex gemini opencode sh)

say() { printf 'runner: %s\n' "$*" >&2; }

die() {
    local code=$1
    shift
    say "$*"
    exit "$code"
}

# Seconds, as a decimal, of a duration such as 150ms, 5s or 1h30m.
seconds() {
    awk -v text="$1" 'BEGIN {
        unit["ms"] = 0.001; unit["s"] = 1; unit["m"] = 60; unit["h"] = 3600; unit["d"] = 86400
        while (match(text, /^[0-9]+(ms|s|m|h|d)/)) {
            part = substr(text, 1, RLENGTH); text = substr(text, RLENGTH + 1)
            number = part; sub(/[a-z]+$/, "", number)
            word = part; sub(/^[0-9]+/, "", word)
            total += number * unit[word]; some = 1
        }
        if (!some || text != "") exit 1
        printf "%.3f", total
    }'
}

is_id() {
    [[ ${#1} -le 128 && $1 =~ ^[A-Za-z0-9][A-Za-z0-9._:@-]*$ && $1 != *..* ]]
}

# The value of a key of `[fleet]` in aq.toml, or nothing.
from_file() {
    [[ -f $QUEUE/aq.toml ]] || return 0
    awk -v key="$1" -v table="$2" '
        /^\[/ { here = $0; gsub(/[][ \t]/, "", here); next }
        here == table && $0 ~ "^[ \t]*" key "[ \t]*=" {
            sub(/^[^=]*=[ \t]*/, ""); sub(/[ \t]+#.*$/, ""); gsub(/^"|"$/, ""); print; exit
        }' "$QUEUE/aq.toml"
}

# setting VARIABLE key default: sets REPLY to the value and ORIGIN to where it came from. What a flag in front of the
# command says is in GIVEN_VARIABLE.
setting() {
    local given=GIVEN_$1
    REPLY=${!1-} ORIGIN="environment $1"
    if [[ -n ${!given+set} ]]; then REPLY=${!given} ORIGIN="a flag"
    elif [[ -z ${!1-} ]]; then
        REPLY=$(from_file "$2" fleet) ORIGIN="aq.toml"
        [[ -n $REPLY ]] || REPLY=$3 ORIGIN=default
    fi
}

# A switch: REPLY is 0 or 1; anything else ends the command with 2.
switch() {
    setting "$1" "$2" 0
    case $REPLY in
        1 | [Tt][Rr][Uu][Ee] | [Oo][Nn]) REPLY=1 ;;
        0 | [Ff][Aa][Ll][Ss][Ee] | [Oo][Ff][Ff]) REPLY=0 ;;
        *) die 2 "$1 ($ORIGIN) is \`$REPLY\`; write 0 or 1" ;;
    esac
}

read_settings() {
    switch AQ_FLEET enabled; FLEET=$REPLY FLEET_FROM=$ORIGIN
    switch AQ_FLEET_ROUTE route_via_service; ROUTE=$REPLY ROUTE_FROM=$ORIGIN
    switch AQ_FLEET_SHADOW shadow; SHADOW=$REPLY SHADOW_FROM=$ORIGIN
    setting AQ_FLEET_URL url ''; URL=${REPLY%/}
    setting AQ_FACTORY_ID factory_id "$(uname -n)"; FACTORY=$REPLY
    setting AQ_FACTORY_CAPS caps ''; OWN_CAPS=$REPLY
    setting AQ_FLEET_TIMEOUT timeout 5s; CALL_LIMIT=$(seconds "$REPLY") || die 2 "AQ_FLEET_TIMEOUT is \`$REPLY\`; write a duration"
    setting AQ_FLEET_DRAIN drain 5s; DRAIN_LIMIT=$(seconds "$REPLY") || die 2 "AQ_FLEET_DRAIN is \`$REPLY\`; write a duration"
    GRACE=$(from_file grace '')
    GRACE=$(seconds "${GRACE:-2s}") || die 2 "grace in aq.toml is no duration"
    LOG_MAX=$(from_file log_max run)
    [[ ${LOG_MAX:=64MiB} =~ ^([0-9]+)(KiB|MiB|GiB)$ ]] || die 2 "log_max in aq.toml is no size"
    case ${BASH_REMATCH[2]} in
        KiB) LOG_MAX=$((BASH_REMATCH[1] << 10)) ;;
        MiB) LOG_MAX=$((BASH_REMATCH[1] << 20)) ;;
        GiB) LOG_MAX=$((BASH_REMATCH[1] << 30)) ;;
    esac
    ((LOG_MAX >= 1 << 20)) || die 2 "log_max in aq.toml is less than 1MiB"
    MODE=offline
    ((FLEET)) && MODE=local
    ((FLEET && SHADOW)) && MODE=shadow
    ((FLEET && ROUTE)) && MODE=route
    [[ $MODE != offline && -z $URL ]] && die 2 "AQ_FLEET is 1, but AQ_FLEET_URL is not set; set it, or AQ_FLEET=0"
    setting AQ_FLEET_TOKEN_FILE token_file ''
    TOKEN=${AQ_FLEET_TOKEN-}
    if [[ $MODE != offline && -n $REPLY ]]; then
        [[ -r $REPLY && -f $REPLY ]] || die 2 "AQ_FLEET_TOKEN_FILE is \`$REPLY\`, which can't be read"
        TOKEN=$(<"$REPLY")
    fi
    if [[ $MODE == route ]]; then die 2 "AQ_FLEET_ROUTE is 1, and this runner has no routed mode; set it to 0"; fi
}
