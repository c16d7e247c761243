// Counters, jobs, factories and the clock: what the coordinator holds, shown as it was told last.

let clockOffset = 0;
let clockKind = "real";
const said = new Map(); // job -> what a factory last reported of it in shadow mode
const seen = new Map(); // factory -> what was seen of it in the journal

const stubNow = () => (clockKind === "manual" ? clockOffset : Date.now() + clockOffset);

function showClock({ kind, now }) {
  clockKind = kind;
  clockOffset = kind === "manual" ? Date.parse(now) : Date.parse(now) - Date.now();
  say(at("clock-kind"), kind);
  const manual = kind === "manual";
  for (const control of at("clock-form").elements) control.disabled = !manual;
  say(at("clock-note"), manual ? "" : "the clock is real; start the stub with --clock manual to move it");
  tick();
}

/** Once a second, and whenever the clock was told: the time, and what is left of each lease. */
function tick() {
  say(at("clock-now"), `${new Date(stubNow()).toISOString().slice(11, 19)} UTC`);
  for (const element of document.querySelectorAll("[data-expires]")) {
    const left = Number(element.dataset.expires) - stubNow();
    say(element, left > 0 ? `${duration(left)} left` : "running out");
    element.classList.toggle("soon", left < 10000);
  }
}

function showCounters({ counters, mutationsTotal }) {
  const by = (counts) => Object.entries(counts).map(([name, count]) => `${name} ${count}`).join(", ");
  const sum = (counts) => Object.values(counts).reduce((total, count) => total + count, 0);
  at("mutations").dataset.state = mutationsTotal === 0 ? "none" : "some";
  say(at("mutations-total"), mutationsTotal);
  say(at("mutations-word"), mutationsTotal === 1 ? "mutation" : "mutations");
  document.title = `${plural(mutationsTotal, "mutation")} - stub coordinator`;
  say(at("mutations-text"), mutationsTotal === 0 ? "real state is as it was" : `real state was written: ${by(counters.mutations)}`);
  const shown = [
    ["requests", sum(counters.requests), by(counters.requests)],
    ["dry runs", counters.dry_runs, ""],
    ["shadow reports", counters.shadow_reports, ""],
    ["faults injected", sum(counters.faults), by(counters.faults)],
    ["refusals", sum(counters.refusals), by(counters.refusals)],
    ["unexpected", counters.unexpected, ""],
    ["connections", counters.connections, ""],
  ];
  keyed(at("counters"), shown, ([name]) => name,
    ([name]) => make("div", "", "", make("dt", "", name), make("dd"), make("dd", "quiet")),
    (line, [, count, detail]) => {
      say(line.children[1], count);
      say(line.children[2], detail);
    });
}

function showViolations({ violations }) {
  const list = at("violations");
  list.hidden = violations.length === 0;
  const numbered = violations.map((text, index) => ({ text, index }));
  keyed(list, numbered, (one) => one.index, () => make("li"), (line, one) => say(line, `violation: ${one.text}`));
}

const STAGES = ["queued", "building", "testing", "review", "shipped", "failed", "quarantined", "withdrawn"];
let jobs = { stages: {}, count: 0, shown: [] };

function showJobs(told) {
  jobs = told ?? jobs;
  say(at("jobs-count"), jobs.count ? "" : "none queued");
  const place = ([stage]) => (STAGES.includes(stage) ? STAGES.indexOf(stage) : STAGES.length);
  const stages = Object.entries(jobs.stages).sort((left, right) => place(left) - place(right));
  keyed(at("stages"), stages, ([stage]) => stage,
    ([stage]) => make("div", "", "", make("dt", "", stage), make("dd")),
    (line, [, count]) => {
      say(line.children[1], count);
      line.classList.toggle("some", count > 0);
    });
  keyed(at("jobs"), jobs.shown, (job) => job.id, jobLine, updateJob);
  const more = jobs.count - jobs.shown.length;
  say(at("jobs-more"), more > 0 ? `and ${more} more` : "");
  tick();
}

function jobLine(job) {
  const lease = make("span", "", "", make("span", "lease"), make("span", "left"));
  return make("li", "", "", make("b", "id", job.id), make("span", "stage"), lease, make("span", "shadowed"));
}

function updateJob(line, job) {
  const [, stage, held, shadowed] = line.children;
  const [lease, left] = held.children;
  stage.dataset.stage = job.stage;
  const attempts = job.attempts ? `, ${plural(job.attempts, "attempt")} lost` : "";
  const quarantines = job.quarantines ? `, ${plural(job.quarantines, "quarantine")}` : "";
  say(stage, job.stage + attempts + quarantines);
  say(lease, job.lease ? `${job.lease.id} of ${job.lease.factory}, token ${job.lease.fencing_token}` : "");
  if (job.lease) left.dataset.expires = Date.parse(job.lease.expires_at);
  else {
    delete left.dataset.expires;
    left.classList.remove("soon");
    say(left, "");
  }
  const report = said.get(job.id);
  say(shadowed, report ? `${report.factory} reports ${report.stage}` : "");
}

let factories = { shown: [], count: 0 };

function showFactories(told) {
  factories = told ?? factories;
  const all = new Map();
  for (const [id, one] of seen) all.set(id, { id, seen: one });
  for (const one of factories.shown) all.set(one.id, { ...all.get(one.id), id: one.id, enrolled: one });
  say(at("factories-count"), all.size ? `${all.size} seen, ${factories.count} enrolled` : "none seen yet");
  keyed(at("factories"), [...all.values()], (one) => one.id,
    (one) => make("li", "", "", make("b", "id", one.id), make("span"), make("span", "quiet")),
    (line, { seen: heard, enrolled }) => {
      say(line.children[1], enrolled ? `enrolled, ${enrolled.version}, ${enrolled.caps.join(" ")}` : "not enrolled");
      const last = heard ? `last heard of at ${clockTime(heard.at)}: ${heard.operation ?? "no operation"}` : "";
      say(line.children[2], last);
    });
}

const clockTime = (at) => String(at).slice(11, 23);

/** What an exchange tells of jobs and factories. */
function notice(row) {
  if (row.factory !== null) {
    seen.delete(row.factory);
    seen.set(row.factory, row);
    bound(seen, 100);
  }
  if (row.operation === "shadow.report" && row.job !== null) {
    said.delete(row.job);
    said.set(row.job, row);
    bound(said, 500);
  }
}
