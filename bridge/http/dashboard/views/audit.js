// The journal: everything that happened, chained.
import { get, post, withQuery } from "../api.js";
import { h } from "../dom.js";
import { panel } from "../panel.js";
import { button, code, facts, form, time } from "../parts.js";
import { plural, shortId, shorten } from "../text.js";

const window = 500; // entries that are looked at for one page

function row(entry) {
  const key = `entry ${entry.sequence}`;
  return h(
    "li",
    {},
    h(
      "details",
      { key },
      h(
        "summary",
        { key: `${key} summary` },
        h("span", { class: "dim" }, `#${entry.sequence}`),
        time(entry.time),
        h("span", { class: "event-type" }, entry.type),
        h("code", {}, shorten(shortId(entry.subject), 24)),
        h("span", { class: "dim" }, shorten(entry.actor, 40)),
      ),
      facts([
        ["Subject", h("code", {}, entry.subject)],
        ["Actor", entry.actor],
        ["Thread", entry.thread],
        ["Cause", entry.cause],
        ["Hash", h("code", {}, entry.hash)],
      ]),
      code(entry.data, { label: `Data of entry ${entry.sequence}` }),
    ),
  );
}

// A long journal takes several answers.
async function verify(place) {
  let after = 0;
  let checkpoints = 0;
  for (;;) {
    place.className = "verdict";
    place.textContent =
      after === 0 ? "Checking …" : `Checking … ${plural(after, "entry", "entries")} good so far`;
    const found = await get("/api/audit/verify", { after });
    checkpoints += found.checkpoints;
    if (!found.finished && found.next_after > after) {
      after = found.next_after;
      continue;
    }
    place.className = found.valid ? "verdict good-text" : "verdict bad-text";
    const entries = plural(found.checked, "entry", "entries");
    if (found.broken)
      place.textContent = `Entry ${found.broken.sequence} is not what was written: ${found.broken.detail}`;
    else if (!found.finished) place.textContent = `It comes no further than ${entries}`;
    else place.textContent = `${entries} good, ${plural(checkpoints, "checkpoint")}`;
    return;
  }
}

export function show(view) {
  const { values } = view;
  const filters = form({
    values,
    change: view.set,
    fields: [
      { name: "type", label: "Type (or its beginning with a dot)", placeholder: "packet." },
      { name: "subject", label: "Subject" },
      { name: "actor", label: "Actor" },
      { name: "thread", label: "Thread" },
    ],
  });
  const isFiltered = ["type", "subject", "actor", "thread"].some((name) => values[name]);
  let after = null; // the newest entries, unless somebody pages through the past
  const entries = panel(view, {
    title: isFiltered ? "Entries that match" : "Newest entries",
    types: isFiltered ? [] : [""],
    load: async (signal) => {
      const { type, subject, actor, thread } = values;
      // What matches may be anywhere, so a filter reads from the beginning.
      const start = isFiltered ? { cursor: after ?? "" } : { last: 100 };
      return get(
        "/api/audit",
        { type, subject, actor, thread, ...start, limit: isFiltered ? window : 100 },
        signal,
      );
    },
    draw: (page, refresh) => [
      page.items.length > 0
        ? h("ol", { class: "events long" }, [...page.items].reverse().map(row))
        : h("p", { class: "empty" }, "There are no such entries here."),
      page.next_cursor && isFiltered
        ? button("Look further", () => {
            after = page.next_cursor;
            return refresh();
          })
        : null,
    ],
  });
  const verdict = h("span", { class: "verdict", role: "status" });
  const tools = h(
    "div",
    { class: "row" },
    button("Verify the chain", () => verify(verdict)),
    button("Sign a checkpoint", () => post("/api/audit/checkpoint"), {
      done: "The journal is signed as it is now.",
    }),
    h(
      "a",
      { class: "button", href: withQuery("/api/audit", { limit: 500 }), key: "raw audit" },
      "As JSON",
    ),
    verdict,
  );
  view.root.append(h("h1", {}, "Audit"), tools, filters, entries.element);
}
