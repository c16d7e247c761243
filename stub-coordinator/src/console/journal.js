// The journal as it grows: a bounded list of rows, newest first, each of which opens to the whole exchange.

const ROWS = 200;
const rows = new Map(); // seq -> row, oldest first
let arrivals = 0; // the highest number that was ever seen
let lost = 0;

function takeRow(row) {
  arrivals = Math.max(arrivals, row.seq);
  const isNew = !rows.has(row.seq);
  rows.set(row.seq, row);
  // One that was told again after the page had let go of it.
  if (isNew && rows.size > ROWS) rows.delete(Math.min(...rows.keys()));
  compare(row);
  notice(row);
}

function forgetRows() {
  rows.clear();
  arrivals = 0;
  said.clear();
  seen.clear();
  forgetAgreement();
}

let heldFrom = 0;

function showJournal() {
  const hold = at("hold").checked;
  if (!hold) heldFrom = arrivals;
  const shown = [...rows.values()].sort((left, right) => right.seq - left.seq).filter((row) => row.seq <= heldFrom);
  say(at("held"), hold && arrivals > heldFrom ? `(${arrivals - heldFrom} newer)` : "");
  const gap = lost ? `; ${lost} more went by unseen` : "";
  say(at("journal-count"), arrivals ? `latest ${rows.size} of ${arrivals}${gap}` : "nothing yet");
  keyed(at("journal"), shown, (row) => row.seq, rowLine, updateRow);
}

function rowLine(row) {
  const line = make("li");
  const head = button("", () => toggle(line, head), "row");
  head.setAttribute("aria-expanded", "false");
  for (const name of ["seq", "when", "operation", "who", "what", "outcome"]) head.append(make("span", name), " ");
  say(head.children[0], row.seq);
  line.append(head);
  return line;
}

function updateRow(line, row) {
  const [, when, operation, who, what, outcome] = line.firstElementChild.children;
  say(when, clockTime(row.at));
  say(operation, row.operation ?? `${row.method} ${row.path}`);
  say(who, row.factory ?? "");
  const verb = { "shadow.claim": "would get", claim: "got" }[row.operation];
  const answered = verb && row.answered_job !== null ? `${verb} ${row.answered_job}` : "";
  say(what, [row.job, row.stage, row.lease, answered].filter((part) => part).join(" "));
  outcome.dataset.outcome = row.mutated ? "mutated" : row.outcome;
  say(outcome, outcomeText(row));
  const ended = line.row?.outcome === "in_flight" && row.outcome !== "in_flight";
  line.row = row;
  if (ended && line.children.length > 1) fill(line);
}

function outcomeText(row) {
  const wrote = row.mutated ? ", wrote real state" : "";
  const status = row.wire_status ?? "nothing on the wire";
  switch (row.outcome) {
    case "in_flight": return `in flight${row.fault ? `: ${row.fault}` : ""}${wrote}`;
    case "answered": return `${status}${row.code ? ` ${row.code}` : ""}${wrote}`;
    case "aborted_by_client": return `client left${row.fault ? ` (${row.fault})` : ""}${wrote}`;
    default: return `${status}, corrupted by ${row.rule ?? "the stub"}: ${row.fault ?? "ended by the stub"}${wrote}`;
  }
}

function toggle(line, head) {
  const open = head.getAttribute("aria-expanded") === "true";
  head.setAttribute("aria-expanded", String(!open));
  if (open) {
    line.lastElementChild.remove();
    return;
  }
  const body = make("div", "whole", "asking the stub");
  body.id = `whole-${line.row.seq}`;
  head.setAttribute("aria-controls", body.id);
  line.append(body);
  fill(line);
}

async function fill(line) {
  const body = line.lastElementChild;
  try {
    body.replaceChildren(...whole(await call("GET", `/journal/${line.row.seq}`)));
  } catch (error) {
    say(body, error.message);
  }
}

/** Everything that is known of an exchange: digests, request, and both answers beside each other. */
function whole(exchange) {
  const same = exchange.digest_before === exchange.digest_after;
  const digest = exchange.digest_before === ""
    ? "The handler did not run: real state is as it was."
    : same ? `Real state is the same before and after: ${exchange.digest_before}` : `Real state changed: ${exchange.digest_before} became ${exchange.digest_after}`;
  const inFlight = exchange.outcome === "in_flight";
  const rule = exchange.rule ? `Rule ${exchange.rule} fired: ${exchange.fault}` : "No rule fired.";
  return [
    make("p", same ? "" : "changed", digest),
    make("p", "", rule),
    make("div", "sides", "",
      side("Request", `${exchange.method} ${exchange.path}`, exchange.request_headers, exchange.request_body),
      answer("The handler answered", exchange.handler_answer, inFlight ? "Nothing yet." : "It never ran."),
      answer("The wire carried", exchange.wire_answer, inFlight ? "Nothing yet." : "Nothing, or nothing whole.")),
  ];
}

function answer(title, given, none) {
  return given ? side(title, String(given.status), given.headers, given.body) : side(title, none, {}, null);
}

function side(title, first, headers, body) {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const text = body === null ? "" : typeof body === "string" ? body : JSON.stringify(body, null, 2);
  const block = make("pre", "", [first, ...lines, "", text].join("\n").trimEnd());
  block.tabIndex = 0;
  block.setAttribute("role", "group");
  block.setAttribute("aria-label", title);
  return make("section", "", "", make("h3", "", title), block);
}
