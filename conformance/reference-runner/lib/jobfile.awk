# Checks a job file. Prints `key <tab> value` for what its front matter says and `body <tab> LINE` for where the
# prompt begins; complaints go to standard error as `file:line: what to write instead`, and make it exit 1.
# Wants: -v name=SHOWN_NAME.

BEGIN {
    known = "engine cwd yolo lock timeout idle_timeout priority caps verify review ship retries retry_delay id"
    split(known, keys, " ")
    for (i in keys) is_known[keys[i]] = 1
}

function complain(line, message) {
    print name ":" line ": " message > "/dev/stderr"
    wrong = 1
}

function least(a, b) { return a < b ? a : b }

# Edits between two words, a swap of neighbours counting as one.
function edits(a, b,   i, j, d, cost) {
    for (i = 0; i <= length(a); i++) d[i, 0] = i
    for (j = 0; j <= length(b); j++) d[0, j] = j
    for (i = 1; i <= length(a); i++)
        for (j = 1; j <= length(b); j++) {
            cost = substr(a, i, 1) != substr(b, j, 1)
            d[i, j] = least(least(d[i - 1, j] + 1, d[i, j - 1] + 1), d[i - 1, j - 1] + cost)
            if (i > 1 && j > 1 && substr(a, i, 1) == substr(b, j - 1, 1) && substr(a, i - 1, 1) == substr(b, j, 1))
                d[i, j] = least(d[i, j], d[i - 2, j - 2] + 1)
        }
    return d[length(a), length(b)]
}

function unknown(key,   i) {
    for (i in keys)
        if (keys[i] != "yolo" && edits(key, keys[i]) <= (least(length(key), length(keys[i])) <= 4 ? 1 : 2)) {
            complain(NR, "unknown key `" key "`; write `" keys[i] "`")
            return
        }
    print name ":" NR ": warning: unknown key `" key "` is ignored" > "/dev/stderr"
}

# A plain or quoted YAML scalar as it is meant.
function scalar(value) {
    if (value ~ /^".*"$/) {
        value = substr(value, 2, length(value) - 2)
        gsub(/\\\\/, "\002", value); gsub(/\\n/, "\001", value); gsub(/\\"/, "\"", value); gsub(/\002/, "\\", value)
    } else if (value ~ /^'.*'$/) value = substr(value, 2, length(value) - 2)
    else sub(/[ \t]+#.*$/, "", value)
    return value
}

function list(value,   n, i, parts, out) {
    gsub(/^\[|\]$/, "", value)
    n = split(value, parts, ",")
    for (i = 1; i <= n; i++) {
        gsub(/^[ \t]+|[ \t]+$/, "", parts[i])
        if (parts[i] != "") out = out (out == "" ? "" : ",") scalar(parts[i])
    }
    return out
}

function check(key, value) {
    if ((key == "yolo" || key == "review") && value !~ /^(true|false)$/)
        complain(NR, "`" key ": " value "`: write true or false")
    if ((key == "timeout" || key == "idle_timeout" || key == "retry_delay") && value !~ /^([0-9]+(ms|s|m|h|d))+$/)
        complain(NR, "`" key ": " value "`: write a duration like 90s, 15m or 1h30m")
    if (key == "priority" && value !~ /^-?[0-9]+$/)
        complain(NR, "`priority: " value "`: write an integer")
    if (key == "retries" && value !~ /^[0-9]+$/)
        complain(NR, "`retries: " value "`: write a number")
    if ((key == "lock" || key == "engine") && (value !~ /^[A-Za-z0-9][A-Za-z0-9._:@-]*$/ || value ~ /\.\./))
        complain(NR, "`" key ": " value "`: write a name")
}

{ sub(/\r$/, "") }
NR == 1 && $0 != "---" { complain(1, "no front matter; open the file with a line `---`"); exit }
NR == 1 { inside = 1; next }
inside && $0 == "---" { inside = 0; print "body\t" NR + 1; next }
inside && /^[ \t]*(#.*)?$/ { next }
inside && !/^[A-Za-z_]+:/ { complain(NR, "write `key: value`"); next }
inside {
    key = $0; sub(/:.*/, "", key)
    value = $0; sub(/^[^:]*:[ \t]*/, "", value); sub(/[ \t]+$/, "", value)
    if (!(key in is_known)) { unknown(key); next }
    if (value == "") complain(NR, "`" key "` has no value; write one or drop the line")
    value = (key == "caps") ? list(value) : scalar(value)
    check(key, value)
    if (key == "engine") engine = 1
    print key "\t" value
    next
}
/[^ \t\r]/ { filled = 1 }
END {
    if (wrong) exit 1
    if (NR == 0) complain(1, "no front matter; open the file with a line `---`")
    else if (inside) complain(NR, "the front matter is not closed; write a line `---`")
    else if (!engine) complain(1, "no `engine`; write one, such as `engine: devin`")
    else if (!filled) complain(NR, "the body is empty; write the prompt below the front matter")
    exit wrong
}
