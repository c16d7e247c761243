// Agreement as the coordinator can see it: its last dry-run answer to a factory against the job that this factory next
// reports at `building`. What was not answered, or answered badly, is no comparison and never raises the rate.

const COMPARISONS = 400;
const PLOTTED = 120;
const SVG = "http://www.w3.org/2000/svg";

const asked = new Map(); // factory -> { seq, row }: its last dry run
const compared = new Map(); // seq of the report -> comparison, oldest first

function forgetAgreement() {
  asked.clear();
  compared.clear();
}

/** Takes one exchange into account; twice is no harm. */
function compare(row) {
  if (row.factory === null) return;
  if (row.operation === "shadow.claim") {
    const last = asked.get(row.factory);
    if (!last || last.seq <= row.seq) {
      asked.delete(row.factory);
      asked.set(row.factory, { seq: row.seq, row, used: last?.seq === row.seq && last.used });
      bound(asked, 200);
    }
  }
  if (row.operation === "shadow.report" && row.stage === "building" && !compared.has(row.seq)) {
    const last = asked.get(row.factory);
    if (last && last.seq > row.seq) return;
    compared.set(row.seq, verdict(row, last));
    if (last) last.used = true;
    bound(compared, COMPARISONS);
  }
}

function verdict(report, last) {
  const found = { seq: report.seq, at: report.at, factory: report.factory, job: report.job };
  if (!last || last.used) return { ...found, kind: "unanswered", said: "no dry run before it" };
  const { wire_status: status, answered_job: job } = last.row;
  if (status === 200 && job !== null) {
    return job === report.job ? { ...found, kind: "agree", said: "the same" } : { ...found, kind: "diverge", said: job };
  }
  if (status === 204) return { ...found, kind: "diverge", said: "nothing" };
  return { ...found, kind: "unanswered", said: status === null ? "no answer" : `status ${status}` };
}

/** Draws what was compared, and says the same in words. */
function drawAgreement() {
  const all = [...compared.values()];
  const count = (kind) => all.filter((one) => one.kind === kind).length;
  const [agree, diverge, unanswered] = [count("agree"), count("diverge"), count("unanswered")];
  const of = agree + diverge;
  const rate = of ? `${agree} of ${of} agree (${Math.floor((agree / of) * 1000) / 10} %)` : "Nothing to compare yet";
  const aside = unanswered ? `; ${unanswered} not comparable, the dry run before had no good answer` : "";
  say(at("agreement-text"), `${rate}${aside}.`);
  say(at("chart-text"), `${rate}${aside}. ${trend(all)}`);
  plot(all.slice(-PLOTTED));
  keyed(at("comparisons"), all.slice(-30).reverse(), (one) => one.seq, () => make("li"), (line, one) => {
    line.value = one.seq;
    const kind = { agree: "agrees", diverge: "diverges", unanswered: "not comparable" }[one.kind];
    say(line, `${one.factory} took ${one.job}; the answer was: ${one.said}. ${kind}`);
  });
}

function trend(all) {
  const last = all.slice(-10);
  return last.length ? `Latest ${last.length}, oldest first: ${last.map((one) => one.kind).join(", ")}.` : "";
}

function plot(all) {
  const marks = [];
  const width = Math.max(at("agreement-chart").clientWidth, 200);
  // Room for what the lines mean, whatever the size of text.
  const label = 3.25 * parseFloat(getComputedStyle(document.documentElement).fontSize);
  at("agreement-chart").setAttribute("viewBox", `0 0 ${width} 120`);
  for (const [height, meaning] of [[20, "100 %"], [90, "0 %"]]) {
    marks.push(shape("line", { x1: label, x2: width, y1: height, y2: height, class: "grid" }));
    const text = shape("text", { x: label - 8, y: height + 4, "text-anchor": "end" });
    text.textContent = meaning;
    marks.push(text);
  }
  const step = (width - label) / Math.max(all.length, 12);
  let agree = 0;
  let of = 0;
  let path = "";
  all.forEach((one, index) => {
    const x = label + step * (index + 0.5);
    if (one.kind !== "unanswered") {
      of += 1;
      agree += one.kind === "agree" ? 1 : 0;
      path += path ? "L" : "M";
      path += `${x.toFixed(1)} ${(90 - 70 * (agree / of)).toFixed(1)}`;
    }
    marks.push(mark(one.kind, x));
  });
  marks.push(shape("path", { d: path || "M0 0", class: "rate-line" }));
  at("chart-marks").replaceChildren(...marks);
}

/** A mark a kind, told apart by shape and place and not by colour alone. */
function mark(kind, x) {
  if (kind === "agree") return shape("circle", { cx: x, cy: 108, r: 3, class: "agree" });
  if (kind === "diverge") return shape("path", { d: `M${x - 4} 104l8 8m0 -8l-8 8`, class: "diverge" });
  return shape("rect", { x: x - 3, y: 105, width: 6, height: 6, class: "unanswered" });
}

function shape(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
