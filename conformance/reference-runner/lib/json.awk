# Reads one JSON text and prints a line a value: PATH <tab> TYPE <tab> VALUE. Strings are printed with whatever
# escapes they had in the text, so that no value can forge a line. Prints nothing and exits 1 if it is no JSON.

function skip() { while (at <= len && index(" \t\r\n", substr(text, at, 1))) at++ }

function fail() { bad = 1; at = len + 1; return "" }

function string(   from, c) {
    from = ++at
    while (at <= len) {
        c = substr(text, at, 1)
        if (c == "\"") { at++; return substr(text, from, at - from - 1) }
        if (c < " ") return fail()
        at += (c == "\\") ? 2 : 1
    }
    return fail()
}

function literal(word, type, path) {
    if (substr(text, at, length(word)) != word) return fail()
    at += length(word)
    put(path, type, word)
}

function put(path, type, value) { lines[++count] = path "\t" type "\t" value }

function value(path, depth,   c, from) {
    skip()
    if (bad || depth > 64 || at > len) return fail()
    c = substr(text, at, 1)
    if (c == "{") return object(path, depth)
    if (c == "[") return array(path, depth)
    if (c == "\"") { put(path, "string", string()); return }
    if (c == "t") return literal("true", "bool", path)
    if (c == "f") return literal("false", "bool", path)
    if (c == "n") return literal("null", "null", path)
    from = at
    while (at <= len && index("+-.eE0123456789", substr(text, at, 1))) at++
    if (at == from) return fail()
    put(path, "number", substr(text, from, at - from))
}

function object(path, depth,   key) {
    put(path, "object", "")
    at++; skip()
    if (substr(text, at, 1) == "}") { at++; return }
    while (!bad) {
        skip()
        if (substr(text, at, 1) != "\"") return fail()
        key = string(); skip()
        if (substr(text, at, 1) != ":") return fail()
        at++
        value(path "." key, depth + 1); skip()
        if (substr(text, at, 1) == ",") { at++; continue }
        if (substr(text, at, 1) == "}") { at++; return }
        return fail()
    }
}

function array(path, depth,   item) {
    put(path, "array", "")
    at++; skip()
    if (substr(text, at, 1) == "]") { at++; return }
    while (!bad) {
        value(path "[" item++ "]", depth + 1); skip()
        if (substr(text, at, 1) == ",") { at++; continue }
        if (substr(text, at, 1) == "]") { at++; return }
        return fail()
    }
}

# Parses `source`; the values are in lines[1..count]. Returns 1 if it is JSON.
function parse(source) {
    text = source; len = length(text); at = 1; bad = 0; count = 0
    value("", 0); skip()
    return !bad && at > len
}
