// Talks to the control API: single calls, and the stream of events, which is read by hand because the browser's own
// EventSource can send no token. The token lives in this variable and nowhere else.

let token = "";
let lastEventId = "";
let askedForToken = null;
let controlUrl = null; // where control listens by itself, which no fault closes, as the stub knows the address

class Refused extends Error {}

/** One call; resolves to its document, or fails with what the stub says is wrong. */
async function call(method, path, body) {
  const sent = token;
  const answer = await fetch(`/_stub${path}`, {
    method,
    headers: headers(body === undefined ? {} : { "content-type": "application/json" }),
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const document = await answer.json().catch(() => ({}));
  // Unless another one was typed in the meantime.
  if (answer.status === 401 && sent === token) askToken();
  if (!answer.ok) throw new Refused(document.detail ?? `refused with status ${answer.status}`);
  return document;
}

function headers(more = {}) {
  return token ? { ...more, authorization: `Bearer ${token}` } : more;
}

/** Shows the token's form; resolves once one was typed. */
function askToken() {
  askedForToken ??= new Promise((typed) => {
    const form = at("token-form");
    form.hidden = false;
    link("locked", token ? "that token was refused" : "token wanted");
    at("token").focus();
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      token = at("token").value;
      at("token").value = "";
      form.hidden = true;
      askedForToken = null;
      typed();
    }, { once: true });
  });
  return askedForToken;
}

function link(state, text) {
  at("link").dataset.state = state;
  say(at("link"), text);
  const there = elsewhere();
  at("elsewhere").hidden = state !== "gone" || there === null;
  if (there !== null) at("elsewhere").href = there;
}

/** The console that an outage leaves alone, at the host by which this browser knows the stub; null where this is it. */
function elsewhere() {
  if (controlUrl === null) return null;
  const there = new URL("/", location.href);
  there.port = new URL(controlUrl).port;
  return there.origin === location.origin ? null : there.href;
}

/** Follows the stub for as long as the page lives; after a break it resumes where it broke off. */
async function follow(take) {
  for (let failures = 0; ; failures += 1) {
    try {
      const more = lastEventId ? { "last-event-id": lastEventId } : {};
      const answer = await fetch("/_stub/events", { headers: headers(more), cache: "no-store" });
      if (answer.status === 401) {
        await askToken();
        continue;
      }
      if (!answer.ok) throw new Refused(`status ${answer.status}`);
      link("live", "live");
      failures = 0;
      await read(answer.body, take);
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof Refused)) console.error(error);
    }
    const wait = Math.min(250 * 2 ** Math.min(failures, 5), 5000);
    link("gone", "not connected: the stub has ended, or nobody listens");
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

async function read(stream, take) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    take(events.map(parse).filter((event) => event.data !== undefined));
  }
}

function parse(text) {
  const event = { name: "message", data: undefined };
  for (const line of text.split("\n")) {
    if (line.startsWith("event: ")) event.name = line.slice(7);
    else if (line.startsWith("id: ")) lastEventId = line.slice(4);
    else if (line.startsWith("data: ")) event.data = JSON.parse(line.slice(6));
  }
  return event;
}
