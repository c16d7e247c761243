// The controls, and what ties the page together: each event of the stream goes to the panel that shows it.

const VALUES = {
  status: ["status", "503", (value) => Number(value)],
  diverge: ["job instead", "other", (value) => ({ job: value })],
  refuse: ["code", "lease_lost"],
  malformed: ["how", "truncated"],
  redirect: ["to", "http://127.0.0.1:1/"],
  delay: ["how long", "500ms"],
  gate: ["gate's name", "hold"],
  dribble: ["over", "2s", (value) => ({ chunks: 4, over: value })],
  cut: ["after bytes", "20", (value) => Number(value)],
  clock_skew: ["by", "10s"],
};

const unreached = () => {
  const there = elsewhere();
  const undo = there === null ? "its control port can undo that" : `the console at ${there} is still there and can undo that`;
  return `the stub can't be reached; where nobody listens (outage, down), ${undo}`;
};
let presets = [];

/** Sends one wish to the control API, and says what came of it. */
async function send(what, method, path, body) {
  try {
    const answer = await call(method, path, body);
    say(at("told"), typeof what === "function" ? what(answer) : what);
    at("told").dataset.state = "done";
    // The stream may have been cut off by just that.
    if (Array.isArray(answer.rules)) showRules({ rules: answer.rules, count: answer.rules.length });
    return true;
  } catch (error) {
    say(at("told"), error instanceof TypeError ? unreached() : error.message);
    at("told").dataset.state = "refused";
    return false;
  }
}

function showPresets(rules) {
  const armed = rules.map((status) => status.id).join(" ");
  const isOn = (preset) => preset.rules.map((rule) => rule.id).join(" ") === armed;
  keyed(at("presets"), presets, (preset) => preset.name,
    (preset) => {
      const made = button(preset.name, () => send(`preset ${preset.name}: ${preset.about}`, "POST", "/preset", { name: preset.name }));
      made.title = preset.about;
      made.dataset.preset = preset.name;
      return made;
    },
    (made, preset) => made.setAttribute("aria-pressed", String(isOn(preset))));
  const on = presets.find(isOn);
  say(at("preset-about"), on ? `now ${on.name}: ${on.about}` : "now: rules of your own");
}

let rules = [];

function showRules(told) {
  rules = told.rules;
  say(at("rules-count"), told.count ? `${told.count} armed` : "none armed: the coordinator is honest");
  at("disarm-all").hidden = told.count === 0;
  keyed(at("rules"), rules, (status) => status.id,
    (status) => {
      const disarm = button("disarm", () => send(`${status.id} is disarmed`, "DELETE", `/rules/${encodeURIComponent(status.id)}`));
      disarm.setAttribute("aria-label", `disarm ${status.id}`);
      return make("li", "", "", make("b", "id", status.id), make("code"), make("span", "hits"), make("span", "behind"), disarm);
    },
    (line, status) => {
      const { on, fault, id, ...rest } = status.rule;
      const more = Object.keys(rest).length ? ` ${JSON.stringify(rest)}` : "";
      say(line.children[1], `${on}: ${typeof fault === "string" ? fault : JSON.stringify(fault)}${more}`);
      say(line.children[2], `fired ${status.fired} of ${status.matched} matched`);
      const [earlier, ...others] = status.behind;
      const goes = others.length ? "those go" : "that one goes";
      say(line.children[3], earlier ? `is behind ${status.behind.join(", ")}: ${goes} first where both fire` : "");
    });
  showPresets(rules);
}

function showGates({ gates }) {
  say(at("gates-count"), gates.length ? "" : "none; a rule with a gate makes one");
  keyed(at("gates"), gates, (gate) => gate.name,
    (gate) => {
      const path = `/gates/${encodeURIComponent(gate.name)}/release`;
      const release = button("release", () => send((answer) => `gate ${gate.name} is open, ${answer.released} let go`, "POST", path));
      release.setAttribute("aria-label", `release ${gate.name}`);
      return make("li", "", "", make("b", "id", gate.name), make("span"), release);
    },
    (line, gate) => say(line.children[1], `${gate.waiting} waiting`));
}

function showVocabulary({ operations, words, keys }) {
  if (at("arm-on").options.length) return;
  const option = (value) => new Option(value, value);
  at("arm-on").append(...["*", ...operations].map(option));
  at("arm-on").value = "shadow.claim";
  const written = keys.filter((key) => key in VALUES).map((key) => new Option(`${key} ...`, `=${key}`));
  at("arm-fault").append(...words.map(option), ...written);
  at("arm-fault").value = "hang";
}

at("arm-fault").addEventListener("change", () => {
  const value = VALUES[at("arm-fault").value.slice(1)];
  at("arm-value-label").hidden = !at("arm-fault").value.startsWith("=");
  if (value) {
    say(at("arm-value-name"), value[0]);
    at("arm-value").value = value[1];
  }
});

function onSubmit(id, act) {
  at(id).addEventListener("submit", (event) => {
    event.preventDefault();
    act();
  });
}

const armed = (answer) => `armed as ${answer.id}`;

onSubmit("arm-form", () => {
  const chosen = at("arm-fault").value;
  const key = chosen.slice(1);
  const read = VALUES[key]?.[2] ?? ((value) => value);
  const fault = chosen.startsWith("=") ? { [key]: read(at("arm-value").value) } : chosen;
  const rule = { on: at("arm-on").value, fault };
  if (at("arm-times").value) rule.when = { times: Number(at("arm-times").value) };
  if (at("arm-phase").value === "after") rule.phase = "after";
  send(armed, "POST", "/rules", rule);
});

onSubmit("json-form", () => {
  try {
    send(armed, "POST", "/rules", JSON.parse(at("json").value));
  } catch (error) {
    say(at("told"), `this is no JSON: ${error.message}`);
    at("told").dataset.state = "refused";
  }
});

onSubmit("clock-form", () => {
  const due = (answer) => `the clock shows ${clockTime(answer.now)}; fell due: ${answer.due.map((one) => one.what).join(", ") || "nothing"}`;
  send(due, "POST", "/clock", { advance: at("advance").value });
});

onSubmit("reset-form", () => send(`reset: ${at("scope").selectedOptions[0].text}`, "POST", "/reset", { scope: at("scope").value }));

at("disarm-all").addEventListener("click", async () => {
  // It hides itself: the focus goes where the next control is.
  if (await send("no rule is armed", "DELETE", "/rules")) at("controls").focus();
});
at("hold").addEventListener("change", showJournal);

const TAKERS = {
  rules: showRules,
  gates: showGates,
  counters: showCounters,
  jobs: showJobs,
  factories: showFactories,
  violations: showViolations,
  clock: showClock,
  lost: ({ exchanges }) => {
    lost += exchanges;
    gap = true;
  },
  arrived: takeRow,
  completed: takeRow,
};

let stub = "";
let gap = false; // whether the next snapshot follows on a loss

function takeSnapshot(whole) {
  // Another stub, or its journal was emptied: what the page knows is of a past life.
  const past = stub !== whole.stub || (!gap && !whole.rows.some((row) => rows.has(row.seq)));
  if (past) forgetRows();
  stub = whole.stub;
  controlUrl = whole.controlUrl;
  gap = false;
  say(at("seed"), whole.seed ?? "none");
  showVocabulary(whole.vocabulary);
  for (const part of ["clock", "rules", "gates", "counters", "jobs", "factories", "violations"]) TAKERS[part](whole[part]);
  whole.rows.forEach(takeRow);
}

/** One batch of the stream: every event taken, then the lists drawn once. */
function take(events) {
  let exchanges = false;
  for (const { name, data } of events) {
    if (name === "snapshot") takeSnapshot(data);
    else TAKERS[name]?.(data);
    exchanges ||= name === "arrived" || name === "completed" || name === "snapshot";
  }
  if (!exchanges) return;
  showJournal();
  drawAgreement();
  showJobs();
  showFactories();
}

setInterval(tick, 1000);
new ResizeObserver(drawAgreement).observe(at("agreement-chart"));
drawAgreement();
follow(take);

(async function loadPresets() {
  try {
    presets = (await call("GET", "/presets")).presets;
    showPresets(rules);
  } catch {
    setTimeout(loadPresets, 1000);
  }
})();
