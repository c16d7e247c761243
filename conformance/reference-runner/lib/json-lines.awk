# The program around json.awk: one JSON text on standard input, its values on standard output.
{ all = all (NR > 1 ? "\n" : "") $0 }
END {
    if (!parse(all)) exit 1
    for (i = 1; i <= count; i++) print lines[i]
}
