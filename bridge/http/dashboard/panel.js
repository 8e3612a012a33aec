// A part of a view that loads something, shows it, and does so again when it may have changed.
import { get } from "./api.js";
import { h, isBeingRead, redraw } from "./dom.js";
import { listen, nameOf } from "./live.js";
import { button, problem } from "./parts.js";

const calm = 400; // ms between an event and asking again, so that a burst asks once
const pageMost = 500;

// view: { signal }. types: beginnings of the names of events after which `load` is asked again.
// load(signal) gives what draw(value, refresh) turns into nodes. tools: nodes beside the title.
export function panel(view, { title, types = [], load, draw, tools = [], kind = "" }) {
  const body = h(
    "div",
    { class: "panel-body", "aria-busy": "true" },
    h("p", { class: "empty" }, "Loading …"),
  );
  const head = title
    ? h("div", { class: "panel-head" }, h("h2", {}, title), h("div", { class: "row" }, tools))
    : null;
  const element = h("section", { class: `panel ${kind}`, "aria-label": title }, head, body);
  let asked = 0;
  let timer = 0;

  async function refresh() {
    const number = ++asked;
    let shown;
    try {
      shown = draw(await load(view.signal), refresh);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!("status" in error)) throw error;
      shown = problem(error);
    }
    // A later question may have been answered sooner.
    if (number !== asked || view.signal.aborted) return;
    body.removeAttribute("aria-busy");
    redraw(body, shown);
  }

  function soon() {
    if (timer !== 0) return;
    timer = setTimeout(() => {
      timer = 0;
      if (isBeingRead(body)) soon();
      else refresh();
    }, calm);
  }

  if (types.length > 0) {
    listen((event) => {
      if (event === null || types.some((type) => nameOf(event).startsWith(type))) soon();
    }, view.signal);
  }
  view.signal.addEventListener("abort", () => clearTimeout(timer));
  refresh();
  return { element, refresh };
}

// A panel over a list of the API. row: { columns, empty, label } of a table, or `rows` that draws all.
export function listPanel(view, { path, query = {}, rows, ...rest }) {
  let wanted = 50;
  const load = (signal) => get(path, { ...query, limit: wanted }, signal);
  const draw = (page, refresh) => {
    // A page with fewer than were wanted is as large as one may be.
    const further =
      page.next_cursor && page.items.length >= wanted && wanted < pageMost
        ? button("Show more", () => {
            wanted = Math.min(wanted * 3, pageMost);
            return refresh();
          })
        : null;
    const note =
      page.next_cursor && !further
        ? h("p", { class: "dim" }, `The first ${page.items.length}. Narrow it down to see others.`)
        : null;
    return [rows(page.items, refresh), further, note];
  };
  return panel(view, { ...rest, load, draw });
}
