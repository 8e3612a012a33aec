// The frame of the dashboard: who is signed in, which view is shown, and the keys.
import { Problem, del, get } from "./api.js";
import { h, redraw } from "./dom.js";
import { listen, nameOf, start, stop } from "./live.js";
import { badge, keepTime, problem } from "./parts.js";
import * as agents from "./views/agents.js";
import * as approvals from "./views/approvals.js";
import * as audit from "./views/audit.js";
import * as conversations from "./views/conversations.js";
import * as events from "./views/events.js";
import * as keys from "./views/keys.js";
import * as memory from "./views/memory.js";
import * as overview from "./views/overview.js";
import * as packets from "./views/packets.js";
import * as schedules from "./views/schedules.js";
import * as workflows from "./views/workflows.js";

// name, what it is called, the key after "g", and the module, whose show(view) fills view.root.
const views = [
  ["overview", "Overview", "o", overview],
  ["packets", "Packets", "p", packets],
  ["agents", "Agents", "a", agents],
  ["conversations", "Conversations", "c", conversations],
  ["workflows", "Workflows", "w", workflows],
  ["approvals", "Approvals", "v", approvals],
  ["memory", "Memory", "m", memory],
  ["audit", "Audit", "u", audit],
  ["events", "Events", "e", events],
  ["schedules", "Schedules", "s", schedules],
  ["keys", "Keys", "k", keys],
];

const main = document.getElementById("main");
const nav = document.getElementById("nav");
const live = document.getElementById("live");
const sessionPlace = document.getElementById("session");
let leave = new AbortController();
let shownPath = null;
let isOut = false;

// "#/packets/0192?state=held" is { path: ["packets", "0192"], values: { state: "held" } }.
function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const parts = path
    .split("/")
    .filter((one) => one !== "")
    .map((one) => {
      try {
        return decodeURIComponent(one);
      } catch {
        return one;
      }
    });
  return { path: parts, values: Object.fromEntries(new URLSearchParams(query)) };
}

function setValues(path, values) {
  const given = Object.entries(values).filter(([, value]) => value !== "");
  const query = given.length > 0 ? `?${new URLSearchParams(given)}` : "";
  location.hash = `#/${path.map(encodeURIComponent).join("/")}${query}`;
}

async function show() {
  if (isOut) return;
  const { path, values } = parse(location.hash);
  if (path.length === 0) path.push("overview");
  const found = views.find(([name]) => name === path[0]);
  leave.abort();
  leave = new AbortController();
  for (const link of nav.querySelectorAll("a")) {
    if (link.dataset.view === path[0]) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  nav.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  document.title = `${found ? found[1] : "Not found"} · Flywheel`;
  const view = {
    root: h("div", { class: "view" }),
    path: path.slice(1),
    values,
    signal: leave.signal,
  };
  view.set = (changed) => setValues(path, { ...values, ...changed });
  if (found) found[3].show(view);
  else view.root.append(h("h1", {}, "There is no such view"));
  redraw(main, view.root);
  // A new view begins at its top; a filter that was changed keeps its focus.
  const where = path.join("/");
  if (shownPath !== null && where !== shownPath) {
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
  shownPath = where;
}

function showSignedOut() {
  if (isOut) return;
  isOut = true;
  leave.abort();
  stop();
  for (const dialog of document.querySelectorAll("dialog")) dialog.remove();
  document.body.classList.add("signed-out");
  document.title = "Signed out · Flywheel";
  redraw(
    main,
    h(
      "div",
      { class: "door" },
      h("img", { src: "/dashboard/icon.svg", alt: "", width: 48, height: 48 }),
      h("h1", {}, "You are not signed in"),
      h(
        "p",
        {},
        "Run ",
        h("code", {}, "flywheel dashboard"),
        " on the machine of the bridge and open the link that it prints.",
      ),
    ),
  );
  main.focus();
}

async function signOut() {
  try {
    await del("/api/dashboard/session");
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
  }
  showSignedOut();
}

function showHelp() {
  const row = (keysOf, what) =>
    h(
      "div",
      {},
      h(
        "dt",
        {},
        keysOf.map((one) => h("kbd", {}, one)),
      ),
      h("dd", {}, what),
    );
  const dialog = h(
    "dialog",
    { "aria-labelledby": "help-title" },
    h(
      "form",
      { method: "dialog" },
      h("h2", { id: "help-title" }, "Keyboard"),
      h(
        "dl",
        { class: "keys" },
        row(["Tab"], "from one thing to the next"),
        row(["/"], "to the first filter"),
        row(["?"], "this list"),
        views.map(([, label, letter]) => row(["g", letter], label)),
      ),
      h("div", { class: "row end" }, h("button", { class: "primary" }, "Close")),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

let isGoing = false;
let going = 0;
function onKey(event) {
  const isWriting = event.target.closest?.("input, textarea, select, dialog") !== null;
  if (event.ctrlKey || event.metaKey || event.altKey || isWriting || isOut) return;
  const wasGoing = isGoing;
  isGoing = false;
  clearTimeout(going);
  const target = wasGoing ? views.find(([, , letter]) => letter === event.key) : null;
  if (target) {
    location.hash = `#/${target[0]}`;
  } else if (event.key === "g") {
    isGoing = true;
    going = setTimeout(() => (isGoing = false), 1500);
  } else if (event.key === "?") {
    showHelp();
  } else if (event.key === "/") {
    main.querySelector(".filters input, .filters select")?.focus();
  } else {
    return;
  }
  event.preventDefault();
}

async function showSession() {
  try {
    const session = await get("/api/session");
    redraw(sessionPlace, h("span", { class: "unseen" }, "The session is "), badge(session.state));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
  }
}

function showLive(state) {
  const says = { live: "live", waiting: "reconnecting …", off: "not live" };
  live.className = `live ${state}`;
  live.textContent = says[state];
  // A stream that was refused for good: perhaps the session is over.
  if (state === "off" && !isOut) get("/api/dashboard/session").catch(() => {});
}

async function begin() {
  redraw(
    nav,
    h(
      "ul",
      {},
      views.map(([name, label]) =>
        h("li", {}, h("a", { href: `#/${name}`, "data-view": name, key: `nav ${name}` }, label)),
      ),
    ),
  );
  document.addEventListener("signed-out", showSignedOut);
  document.addEventListener("keydown", onKey);
  document.getElementById("help").addEventListener("click", showHelp);
  document.getElementById("sign-out").addEventListener("click", signOut);
  document.getElementById("skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  addEventListener("hashchange", show);
  setInterval(keepTime, 5000);
  try {
    const me = await get("/api/dashboard/session");
    document.getElementById("sign-out").title =
      `${me.name}, until ${new Date(me.expires).toLocaleTimeString()}`;
  } catch (error) {
    if (!isOut) redraw(main, problem(error));
    return;
  }
  start(showLive);
  listen((event) => {
    if (event === null || nameOf(event).startsWith("session.")) showSession();
  }, new AbortController().signal);
  showSession();
  show();
}

begin();
