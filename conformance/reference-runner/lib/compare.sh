# shellcheck shell=bash
# The lane's own process: takes messages in order, asks, compares with what the queue looked like, mirrors stages.

lane() {
    local kind one two message
    trap - TERM INT
    SILENT='' ERRORS=0 CLAIM_FAILS='' ANSWERED=never
    # A torn tail is closed off before anything is written behind it.
    [[ -s $LOG && -n $(tail -c 1 "$LOG" 2>/dev/null) ]] && echo >>"$LOG"
    flush_reports
    while read -r message <&"$LANE"; do
        read -r kind one two <<<"$message"
        case $kind in
            report) mirror "$one" "$two" ;;
            decision) decide_about "$one" ;;
            end) flush_reports; exit 0 ;;
        esac
        printf . >>"$TMP/told"
    done
}

# fares OPERATION KIND: what came of a call, KIND empty where it was answered. Trouble is told when it begins and when it
# is over. A question that fails is answered by a question alone.
fares() {
    local lacks=''
    [[ $2 != status-403 ]] || lacks="no comparison is possible: the token lacks scope \`shadow\`"
    if [[ -n $2 ]]; then
        ERRORS=$((ERRORS + 1))
        [[ $1 == shadow.claim ]] && CLAIM_FAILS=1
        if ((ERRORS > 1)); then :
        elif [[ -n $lacks ]]; then say "$lacks ($1: $2); jobs go on"
        else say "trouble with the coordinator: $1: $2; nothing is compared until it answers, jobs go on"; fi
    else
        ANSWERED=$(instant)
        if ((ERRORS)) && [[ $1 == shadow.claim || -z $CLAIM_FAILS ]]; then
            say "the coordinator answers again"
            ERRORS=0 CLAIM_FAILS=''
        fi
    fi
    { echo "last answer $ANSWERED, $ERRORS errors in a row${2:+, the last: $2}${lacks:+; $lacks}" >"$STATE/runners/$$.lane"; } 2>/dev/null
}

# Keeps for the lane the stages of jobs past the inbox that were never answered for. Done by the runner before its first
# decision: what moves from then on is told in its turn.
catch_up() {
    local stage file id told
    for stage in building testing review shipped failed quarantine; do
        for file in "$QUEUE/$stage"/*.md; do
            [[ -f $file ]] || continue
            id=${file##*/} id=${id%.md} told=$stage
            [[ $stage == quarantine ]] && told=quarantined
            [[ $(cat "$STATE/mirror/$id" 2>/dev/null) == "$told" ]] || echo "$told" >"$STATE/pending/$id"
        done
    done
}

# Sends what is kept; true if nothing is left.
flush_reports() {
    local file id
    for file in "$STATE"/pending/*; do
        [[ -f $file ]] || continue
        id=${file##*/}
        report "$id" "$(<"$file")" || return 1
    done
}

mirror() { # ID STAGE
    echo "$2" >"$STATE/pending/$1"
    flush_reports
}

report() { # ID STAGE: true once it is answered
    local body
    body=$(printf '{"factoryId":"%s","jobId":"%s","stage":"%s","at":"%s","shadow":1}' "$FACTORY" "$1" "$2" "$(instant)")
    call /v1/shadow/reports "$body"
    fares shadow.report "${KIND#status-404}"
    if [[ -z $KIND ]]; then
        value .accepted; local accepted=$REPLY
        value .stage
        if [[ $accepted != true || $REPLY != "$2" ]] || has_more; then
            line report-divergence "$1" '' '' ',"decision":null,"detail":"the answer is not that of the report"'
        fi
    elif [[ $KIND == status-404 ]]; then
        line report-divergence "$1" '' '' ',"decision":null,"detail":"the coordinator does not know the job"'
    else
        line shadow-error "$1" '' '' ",\"decision\":null,\"operation\":\"shadow.report\",\"kind\":\"$KIND\""
        return 1
    fi
    [[ $(cat "$STATE/pending/$1" 2>/dev/null) == "$2" ]] && rm -f "$STATE/pending/$1"
    echo "$2" >"$STATE/mirror/$1"
}

# Whether the answer to a report has more than the API says: whatever asks for something would be there.
has_more() {
    local path type text
    while IFS=$'\t' read -r path type text; do
        case $path in
            .accepted | .stage | .shadow | .realStage) ;;
            .*) [[ $type == null || $text == false ]] || return 0 ;;
        esac
    done <<<"$VALUES"
    return 1
}

decide_about() { # NUMBER
    local here extra=",\"decision\":\"$RUN_ID-$1\"" view=$TMP/decisions/$1
    here=$(<"$view.local")
    rm -f "$view.local"
    if [[ -n $SILENT ]]; then
        line skipped "$here" '' '' "$extra,\"reason\":\"$SILENT\""
    elif ! flush_reports; then
        line skipped "$here" '' '' "$extra,\"reason\":\"view_gap\""
    else
        echo "$here" >"$view.local"
        local body
        body=$(printf '{"factoryId":"%s","caps":%s,"shadow":1}' "$FACTORY" "$(caps_json)")
        call /v1/shadow/claims "$body"
        rm -f "$view.local"
        judge "$here" "$view" "$extra"
    fi
    rm -f "$view"
}

# What the answer that just came means beside the local decision.
judge() { # LOCAL VIEW EXTRA
    local there=''
    case $KIND in
        status-404 | status-405 | status-501)
            SILENT=unsupported
            fares shadow.claim ''
            say "nothing is compared: the coordinator has no dry run (dry-run-unsupported)"
            line dry-run-unsupported '' '' '' ',"decision":null'
            line skipped "$1" '' '' "$3,\"reason\":\"unsupported\""
            return ;;
        ?*)
            fares shadow.claim "$KIND"
            line shadow-error "$1" '' '' "$3,\"operation\":\"shadow.claim\",\"kind\":\"$KIND\""
            return ;;
    esac
    fares shadow.claim ''
    if [[ $STATUS != 204 ]]; then
        if value .lease; then give_back "$1" "$3"; return; fi
        value .dryRun
        local rehearsed=$TYPE-$REPLY
        value .job.id
        there=$REPLY
        if [[ $rehearsed != bool-true || $TYPE != string || -z $there ]]; then
            line shadow-error "$1" '' '' "$3,\"operation\":\"shadow.claim\",\"kind\":\"wrong-shape\""
            return
        fi
    fi
    if [[ -z $there && -z $1 ]]; then return
    elif [[ -z $there ]]; then line comparison "$1" '' COORD_EMPTY "$3"
    elif [[ $there == "$1" ]]; then line comparison "$1" "$there" AGREE "$3"
    elif ! is_id "$there"; then line comparison "$1" "$(shown "$there")" "$([[ -z $1 ]] && echo LOCAL_EMPTY || echo DIVERGE)" "$3,\"reason\":\"invalid\""
    elif [[ -z $1 ]]; then line comparison '' "$there" LOCAL_EMPTY "$3"
    else
        reason "$1" "$there" "$2"
        line comparison "$1" "$there" DIVERGE "$3,\"reason\":\"${REPLY% *}\"$([[ $REPLY == order* ]] && echo ",\"rank\":${REPLY#* }")"
    fi
}

# An escaped string cut to 128 characters, never within an escape.
shown() { printf '%s' "$1" | awk '{
    while (length(out) < 122 && $0 != "") {
        n = (substr($0, 1, 2) == "\\u") ? 6 : (substr($0, 1, 1) == "\\") ? 2 : 1
        out = out substr($0, 1, n); $0 = substr($0, n + 1)
    }
    printf "%s", out
}'; }

# Why the coordinator named another job: the first reason of the contract's list that holds. REPLY.
reason() { # LOCAL COORD VIEW
    local then now
    then=$(awk -v id="$2" '$3 == id { print $5; exit }' "$3")
    stage_of "$2"; now=$REPLY
    case $then in
        eligible | caps | lock_held) [[ $now == inbox ]] || { REPLY=stale_view; return; } ;;
        ?*) [[ $now == "$then" ]] || { REPLY=stale_view; return; } ;;
    esac
    case $then in
        '') REPLY=unknown ;;
        shipped | failed | quarantine) REPLY=finished ;;
        building | testing | review) REPLY=running ;;
        lock_held | caps) REPLY=$then ;;
        *) REPLY=$(awk -v here="$1" -v there="$2" '
            $5 == "eligible" { rank++; if ($3 == here) { p = $1; s = $2 } if ($3 == there) { r = rank; q = $1; t = $2 } }
            END { if (p == q && s == t) print "tie"; else if (r) print "order " r; else print "unexplained" }' "$3") ;;
    esac
}

# A dry run that was none: the lease is given back once, and nothing more is asked.
give_back() { # LOCAL EXTRA
    local id token
    SILENT=stopped
    value .lease.id; id=$REPLY
    value .lease.fencingToken; token=$REPLY
    line dry-run-not-honoured "$1" '' '' ',"decision":null'
    line skipped "$1" '' '' "$2,\"reason\":\"stopped\""
    if ! is_id "$id" || [[ ! $token =~ ^[0-9]+$ ]] \
        || ! call "/v1/leases/$id/release" "{\"factoryId\":\"$FACTORY\",\"fencingToken\":$token}"; then
        line lease-leaked "$1" '' '' ",\"decision\":null,\"leaseId\":\"$(shown "$id")\""
    fi
}
