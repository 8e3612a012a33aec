// Events while they happen, and those before.
import { get } from "../api.js";
import { h, redraw } from "../dom.js";
import { listen, nameOf } from "../live.js";
import { button, code, form, more, problem } from "../parts.js";
import { eventLine } from "./event_line.js";

const shownMost = 300;
const before = 100;

// How the names of the types begin that are meant: "packet." by "flywheel.packet.*", all by "*".
function beginning(word) {
  return word
    .replace(/^flywheel(\.|$)/, "")
    .replace(/\.v1$/, "")
    .replace(/\*$/, "");
}

function matcher({ types = "", subject = "", words = "" }) {
  const wanted = types
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "")
    .map(beginning);
  return (event) => {
    const name = nameOf(event);
    const isType =
      wanted.length === 0 ||
      wanted.some(
        (type) =>
          type === "" || name === type || name.startsWith(type.endsWith(".") ? type : `${type}.`),
      );
    const isSubject = subject === "" || String(event.subject ?? "").startsWith(subject);
    return (
      isType &&
      isSubject &&
      (words === "" || JSON.stringify(event).toLowerCase().includes(words.toLowerCase()))
    );
  };
}

function line(event) {
  const whole = eventLine(event);
  whole.append(
    more(
      "data",
      `event ${event.id} data`,
      code(event, { label: `Event ${event.id}`, key: `event ${event.id} code` }),
    ),
  );
  return whole;
}

export function show(view) {
  const { values } = view;
  const matches = matcher(values);
  const list = h("ol", { class: "events long" });
  let isPaused = false;
  let events = [];
  const draw = () =>
    redraw(
      list,
      events.length > 0
        ? events.map(line)
        : h("li", { class: "empty" }, "No such events yet; they appear here by themselves."),
    );
  const filters = form({
    values,
    change: view.set,
    fields: [
      {
        name: "types",
        label: "Types, by commas",
        placeholder: "packet, session.changed",
        wide: true,
      },
      { name: "subject", label: "Subject" },
      { name: "words", label: "Words" },
    ],
  });
  const pause = button("Pause", () => {
    isPaused = !isPaused;
    pause.textContent = isPaused ? "Go on" : "Pause";
    pause.setAttribute("aria-pressed", String(isPaused));
    if (!isPaused) draw();
  });
  listen((event) => {
    if (event === null || !matches(event)) return;
    events = [event, ...events].slice(0, shownMost);
    if (!isPaused) draw();
  }, view.signal);
  get("/api/audit", { last: before, limit: before }, view.signal)
    .then((page) => {
      const known = new Set(events.map((event) => event.id));
      const older = page.items
        .map(({ sequence, hash, ...rest }) => ({ id: String(sequence), ...rest }))
        .filter((event) => !known.has(event.id) && matches(event));
      events = [...events, ...older.reverse()];
      draw();
    })
    .catch((error) => {
      if (error.name !== "AbortError") redraw(list, problem(error));
    });
  view.root.append(
    h("h1", {}, "Events"),
    filters,
    h(
      "section",
      { class: "panel", "aria-label": "Events" },
      h("div", { class: "panel-head" }, h("h2", {}, "Newest first"), pause),
      list,
    ),
  );
}
