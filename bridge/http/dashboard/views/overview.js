// How the bridge is, and what to do next.
import { del, get, part, post } from "../api.js";
import { h, redraw } from "../dom.js";
import { listen, newest } from "../live.js";
import { panel } from "../panel.js";
import { ask, badge, button, facts, more, table, time } from "../parts.js";
import { duration, plural, shortId, words } from "../text.js";
import { eventLine } from "./event_line.js";

const shownEvents = 14;

// What may be missing in this version, or not be ours to see, is simply not there.
async function optional(path, query, signal) {
  try {
    return await get(path, query, signal);
  } catch (error) {
    if (error.name === "AbortError" || ![403, 404].includes(error.status)) throw error;
    return null;
  }
}

// ---- what to do next

function todo(text, href, kind = "warn") {
  return h(
    "li",
    { class: kind },
    href ? h("a", { href, key: `todo ${href} ${text}` }, text) : text,
  );
}

// "100+" of a list that goes on.
function countOf(page) {
  return page.next_cursor ? `${page.items.length}+` : page.items.length;
}

function listTodos({ session, health, queue, held, approvals, steps }) {
  const items = [];
  if (session.advice) items.push(todo(session.advice, null, session.can_send ? "warn" : "bad"));
  for (const reason of health?.reasons ?? []) {
    if (reason.code !== session.state) items.push(todo(reason.detail, null, "bad"));
  }
  const heldCount = held?.items.length ?? 0;
  if (heldCount > 0) {
    const count = held.next_cursor
      ? `More than ${heldCount} packets are`
      : heldCount === 1
        ? "One packet is"
        : `${heldCount} packets are`;
    items.push(
      todo(
        `${count} held: look into the conversation and decide what became of it`,
        "#/packets?state=held",
      ),
    );
  }
  const waitFor = (page, one, many) => {
    const count = page?.items?.length ?? 0;
    if (count > 0) items.push(todo(count === 1 ? one : `${countOf(page)} ${many}`, "#/approvals"));
  };
  waitFor(approvals, "An action waits for an approval", "actions wait for approvals");
  waitFor(
    steps,
    "A step of a workflow waits for an approval",
    "steps of workflows wait for approvals",
  );
  if (queue?.paused) items.push(todo(`Everything is paused: ${queue.paused}`));
  for (const lane of queue?.lanes ?? []) {
    if (lane.paused_itself) items.push(todo(`Lane ${lane.id} is paused: ${lane.paused}`));
    if (lane.breaker.open && !queue.breaker.open)
      items.push(todo(`Lane ${lane.id} waits until a person has looked: ${lane.breaker.detail}`));
  }
  if (queue?.breaker.open) items.push(todo(breakerText(queue.breaker), null, "bad"));
  return items;
}

function breakerText(breaker) {
  const until =
    breaker.closes_in_seconds === null
      ? "until a person has looked"
      : `for ${duration(breaker.closes_in_seconds)}`;
  return `Nothing is sent ${until}: ${words(breaker.trip)}${breaker.detail ? ` (${breaker.detail})` : ""}`;
}

// ---- the session

async function check(refresh) {
  await post("/api/session/check");
  await refresh();
}

function sessionButtons(session, refresh) {
  const login = session.signing_in
    ? button("Close the window", async () => {
        await del("/api/session/login");
        await refresh();
      })
    : button("Sign in …", async () => {
        const said = await ask({
          title: "Open a window to sign in?",
          text: [
            "The browser is started again with a window on the machine of the bridge. Nothing is sent meanwhile.",
            "Sign in there; the bridge never types a password.",
          ],
          confirm: "Open it",
        });
        if (!said) return false;
        await post("/api/session/login");
        await refresh();
        return true;
      });
  return h(
    "div",
    { class: "row" },
    button("Check now", () => check(refresh), { done: "The session was looked at." }),
    login,
  );
}

function drawSession(found, refresh) {
  const { session } = found;
  const todos = listTodos(found);
  return [
    h(
      "div",
      { class: `state ${session.can_send ? "good" : session.advice ? "bad" : "warn"}` },
      h("p", { class: "state-name" }, words(session.state)),
      h(
        "p",
        {},
        session.can_send ? "Packets can be sent." : "Nothing can be sent now.",
        " Since ",
        time(session.since),
        ".",
      ),
    ),
    h("h3", {}, "What to do next"),
    todos.length > 0
      ? h("ul", { class: "todos" }, todos)
      : h("p", { class: "todos-none" }, "Nothing: the bridge works by itself."),
    sessionButtons(session, refresh),
    more(
      "What was seen",
      "session-facts",
      facts([
        ["Evidence", session.evidence],
        ["Shell", session.shell],
        ["Browser", session.browser],
        ["Conversation", session.conversation ? h("code", {}, session.conversation) : null],
        ["Next check", time(session.next_check, "none planned")],
        ["Window closes", session.window_closes ? time(session.window_closes) : null],
        [
          "Open tabs",
          session.conversations?.map((tab) =>
            h("p", {}, badge(tab.state), " ", h("code", {}, tab.conversation ?? "–")),
          ),
        ],
      ]),
    ),
  ];
}

// ---- the queue

function tile(label, value, href, kind = "") {
  const inside = [
    h("span", { class: "tile-value" }, String(value)),
    h("span", { class: "tile-label" }, label),
  ];
  return href
    ? h("a", { class: `tile ${kind}`, href, key: `tile ${label}` }, inside)
    : h("div", { class: `tile ${kind}` }, inside);
}

function drawTiles({ queue, agents, approvals, runs }) {
  const { depths } = queue;
  return h(
    "div",
    { class: "tiles" },
    tile("queued", depths.queued, "#/packets?state=queued"),
    tile("running", depths.running, "#/packets?state=running", depths.running ? "busy" : ""),
    tile("held", depths.held, "#/packets?state=held", depths.held ? "warn" : ""),
    agents
      ? tile(
          `of ${plural(agents.total, "agent")} active`,
          agents.by_liveness?.active ?? 0,
          "#/agents",
        )
      : null,
    runs ? tile("workflow runs now", countOf(runs), "#/workflows") : null,
    approvals?.items ? tile("actions to approve", countOf(approvals), "#/approvals") : null,
  );
}

// `what` is the body that names the lane; of everything it names none.
async function turn(what, isPaused, question, refresh) {
  if (!isPaused) {
    const said = await ask({ ...question, confirm: "Pause it", note: "Why (others see it)" });
    if (!said) return false;
    await post("/api/queue/pause", said.note ? { ...what, reason: said.note } : what);
  } else {
    await post("/api/queue/resume", what);
  }
  await refresh();
  return true;
}

function turnLane(lane, refresh) {
  const question = {
    title: "Pause this lane?",
    text: "What runs goes on to its end; nothing else begins until the lane is resumed.",
  };
  return turn({ lane: lane.id }, lane.paused_itself, question, refresh);
}

function turnEverything(queue, refresh) {
  const question = {
    title: "Pause everything?",
    text: "What was sent is read to its end; nothing else begins, in lanes that are made later either.",
  };
  return turn({}, Boolean(queue.paused), question, refresh);
}

function laneRuns(lane, running) {
  if (lane.paused) return [badge("paused"), h("span", { class: "dim" }, ` ${lane.paused}`)];
  if (!lane.running) return h("span", { class: "dim" }, "nothing");
  const packet = running?.items.find((one) => one.id === lane.running);
  if (!packet) return h("code", { title: lane.running }, shortId(lane.running));
  return [
    h(
      "a",
      { href: `#/packets/${part(packet.id)}`, key: `lane ${packet.id}` },
      packet.bead || shortId(packet.id),
    ),
    " ",
    badge(packet.stage),
  ];
}

function drawLanes({ queue, running }, refresh) {
  const forecast = new Map(queue.forecast.map((one) => [one.lane, one]));
  const next = (lane) => {
    const seconds = forecast.get(lane.id)?.next_send_seconds;
    if (seconds === null || seconds === undefined) return h("span", { class: "dim" }, "–");
    return seconds < 1 ? "now" : `in ${duration(seconds)}`;
  };
  return [
    queue.breaker.open
      ? h("p", { class: "problem" }, breakerText(queue.breaker))
      : h("p", { class: "dim" }, "Breaker closed: sending is allowed."),
    queue.paused ? h("p", { class: "problem" }, `Everything is paused: ${queue.paused}`) : null,
    h(
      "div",
      { class: "row" },
      button(
        queue.paused ? "Resume everything" : "Pause everything …",
        () => turnEverything(queue, refresh),
        { key: "turn everything" },
      ),
    ),
    table({
      label: "Lanes",
      rows: queue.lanes,
      empty: "There are no lanes yet.",
      columns: [
        { label: "Lane", wide: true, cell: (lane) => h("code", { title: lane.id }, lane.id) },
        { label: "Account", cell: (lane) => lane.account },
        { label: "Runs", cell: (lane) => laneRuns(lane, running) },
        { label: "Queued", cell: (lane) => lane.queued },
        { label: "Held", cell: (lane) => (lane.held > 0 ? badge(lane.held, "warn") : 0) },
        { label: "Next send", cell: next },
        {
          label: "",
          cell: (lane) =>
            button(lane.paused_itself ? "Resume" : "Pause …", () => turnLane(lane, refresh), {
              key: `turn ${lane.id}`,
            }),
        },
      ],
    }),
    more(
      "Limits",
      "limits",
      Object.entries(queue.limits.accounts).map(([account, of]) =>
        facts([
          ["Account", account],
          [
            "Caps",
            of.caps.map((cap) => `${cap.count} in ${duration(cap.window_seconds)}`).join(", ") ||
              "none",
          ],
          ["Pause between sends", duration(of.pause_seconds)],
          ["At once", of.parallel_max],
        ]),
      ),
      h("p", { class: "dim" }, `A lane holds at most ${queue.limits.depth_max} jobs.`),
    ),
  ];
}

// ---- events

function eventsPanel(view) {
  const list = h("ol", { class: "events" });
  const element = h(
    "section",
    { class: "panel", "aria-label": "Last events" },
    h(
      "div",
      { class: "panel-head" },
      h("h2", {}, "Last events"),
      h("a", { href: "#/events", key: "all events" }, "All events"),
    ),
    list,
  );
  let known = [];
  const draw = () => {
    const ids = new Set(newest.map((event) => event.id));
    const all = [...newest, ...known.filter((event) => !ids.has(event.id))].slice(0, shownEvents);
    redraw(
      list,
      all.length > 0
        ? all.map(eventLine)
        : h("li", { class: "empty" }, "Nothing has happened yet."),
    );
  };
  const load = async () => {
    const page = await optional(
      "/api/audit",
      { last: shownEvents, limit: shownEvents },
      view.signal,
    );
    known = (page?.items ?? [])
      .map((entry) => ({ ...entry, id: String(entry.sequence) }))
      .reverse();
    draw();
  };
  listen(draw, view.signal);
  load().catch(() => {});
  return element;
}

export function show(view) {
  const ask403 = (path, query) => optional(path, query, view.signal);
  const loadState = async (signal) => {
    const [session, health, queue, held, approvals, steps] = await Promise.all([
      get("/api/session", {}, signal),
      ask403("/healthz"),
      ask403("/api/queue"),
      ask403("/api/packets", { state: "held", limit: 20 }),
      ask403("/api/approvals", { state: "waiting", limit: 100 }),
      ask403("/api/gpt-workflows/runs/approvals", { limit: 100 }),
    ]);
    return { session, health, queue, held, approvals, steps };
  };
  const loadQueue = async (signal) => {
    const [queue, running, agents, approvals, runs] = await Promise.all([
      get("/api/queue", {}, signal),
      ask403("/api/packets", { state: "running", limit: 50 }),
      ask403("/api/gpt-agents/stats"),
      ask403("/api/approvals", { state: "waiting", limit: 100 }),
      ask403("/api/gpt-workflows/runs", { result: "running" }),
    ]);
    return { queue, running, agents, approvals, runs };
  };
  const state = panel(view, {
    title: "Session",
    types: [
      "session.",
      "queue.",
      "packet.held",
      "packet.resolved",
      "lane.",
      "account.",
      "approval.",
      "action.",
      "workflow.",
      "sign_in.",
    ],
    load: loadState,
    draw: drawSession,
    kind: "hero",
  });
  const queue = panel(view, {
    title: "Queue",
    types: [
      "packet.",
      "queue.",
      "lane.",
      "account.",
      "query.",
      "agent.",
      "workflow.",
      "approval.",
      "message.",
      "session.",
    ],
    load: loadQueue,
    draw: (found, refresh) => [drawTiles(found), drawLanes(found, refresh)],
  });
  view.root.append(
    h("h1", {}, "Overview"),
    h(
      "div",
      { class: "columns" },
      h("div", { class: "view" }, state.element, queue.element),
      eventsPanel(view),
    ),
  );
}
