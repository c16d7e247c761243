# Sums up the shadow log, after json.awk. Wants -v path=SHOWN -v last=N -v form=text|json.

function quoted(s) { return s == "" ? "null" : "\"" s "\"" }

function table(counts, order, n,   i, out) {
    for (i = 1; i <= n; i++) out = out (i > 1 ? "," : "") "\"" order[i] "\":" counts[order[i]]
    return "{" out "}"
}

function bump(counts, order, n, word) {
    if (!(word in counts)) order[++n] = word
    counts[word]++
    return n
}

{
    if (!parse($0) || lines[1] !~ /^\tobject/) { unreadable++; next }
    delete f
    for (i = 1; i <= count; i++) { split(lines[i], part, "\t"); if (part[2] != "null") f[part[1]] = part[3] }
    if (f[".verdict"] == "" && f[".event"] == "") { unreadable++; next }
    v = f[".verdict"]
    if (v == "LOCAL_EMPTY") {
        if (idle == f[".coordJob"]) next
        idle = f[".coordJob"]
    } else if (f[".localJob"] != "" && f[".decision"] != "") idle = ""
    if (f[".decision"] != "") decisions++
    if (v != "") {
        verdicts[v]++; compared++
        if (v == "DIVERGE") nr = bump(reasons, ro, nr, f[".reason"])
        if (v != "AGREE") d[++nd] = "{\"ts\":" quoted(f[".ts"]) ",\"localJob\":" quoted(f[".localJob"]) \
            ",\"coordJob\":" quoted(f[".coordJob"]) ",\"verdict\":" quoted(v) ",\"reason\":" quoted(f[".reason"]) "}"
    } else if (f[".event"] == "shadow-error") ne = bump(errors, eo, ne, f[".kind"])
    else if (f[".event"] == "skipped") ns = bump(skipped, so, ns, f[".reason"])
}

END {
    split("AGREE DIVERGE COORD_EMPTY LOCAL_EMPTY", vo, " ")
    for (i = 1; i <= 4; i++) verdicts[vo[i]] += 0
    rate = compared ? sprintf("%.4f", verdicts["AGREE"] / compared) : "null"
    cover = decisions ? sprintf("%.4f", compared / decisions) : "null"
    if (form == "json") {
        printf "{\"log\":%s,\"verdicts\":%s,\"reasons\":%s,\"errors\":%s,\"skipped\":%s,", quoted(path), \
            table(verdicts, vo, 4), table(reasons, ro, nr), table(errors, eo, ne), table(skipped, so, ns)
        printf "\"agreement\":{\"agree\":%d,\"of\":%d,\"rate\":%s},", verdicts["AGREE"], compared, rate
        printf "\"coverage\":{\"compared\":%d,\"of\":%d,\"rate\":%s},", compared, decisions, cover
        printf "\"lines\":{\"read\":%d,\"unreadable\":%d},\"divergences\":[", NR, unreadable
        first = nd > last ? nd - last + 1 : 1
        for (i = first; i <= nd; i++) printf "%s%s", (i > first ? "," : ""), d[i]
        print "]}"
        exit
    }
    for (i = 1; i <= 4; i++) printf "%-12s %d\n", vo[i], verdicts[vo[i]]
    for (i = 1; i <= nr; i++) printf "  DIVERGE by %s: %d\n", ro[i], reasons[ro[i]]
    for (i = 1; i <= ne; i++) printf "error %s: %d\n", eo[i], errors[eo[i]]
    for (i = 1; i <= ns; i++) printf "skipped, %s: %d\n", so[i], skipped[so[i]]
    printf "agreement %d of %d, coverage %d of %d\n", verdicts["AGREE"], compared, compared, decisions
    printf "%d lines read, %d unreadable\n", NR, unreadable
    for (i = nd > last ? nd - last + 1 : 1; i <= nd; i++) print d[i]
}
