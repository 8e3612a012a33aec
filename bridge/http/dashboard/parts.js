// What the views are made of.
import { h } from "./dom.js";
import { pretty, relative, tone, words } from "./text.js";

export function badge(state, ofTone = tone(state)) {
  return h("span", { class: `badge ${ofTone}` }, words(state) || "none");
}

// A moment, told from now; the clock of app.js keeps it true.
export function time(iso, otherwise = "–") {
  if (!iso) return h("span", { class: "dim" }, otherwise);
  return h("time", { datetime: iso, title: new Date(iso).toLocaleString() }, relative(iso));
}

export function keepTime() {
  for (const one of document.querySelectorAll("time[datetime]")) {
    const now = relative(one.getAttribute("datetime"));
    if (one.textContent !== now) one.textContent = now;
  }
}

// [[label, value]…]; empty values are left out.
export function facts(rows) {
  const given = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h(
    "dl",
    { class: "facts" },
    given.map(([label, value]) => h("div", {}, h("dt", {}, label), h("dd", {}, value))),
  );
}

// Rows become cards where it is narrow. columns: [{ label, cell(row), wide }].
export function table({ label, columns, rows, empty }) {
  if (rows.length === 0) return h("p", { class: "empty" }, empty);
  const head = h(
    "tr",
    {},
    columns.map((column) => h("th", { scope: "col" }, column.label)),
  );
  const body = rows.map((row) =>
    h(
      "tr",
      {},
      columns.map((column) =>
        h(
          "td",
          { "data-label": column.label, class: column.wide ? "wide" : null },
          column.cell(row),
        ),
      ),
    ),
  );
  return h(
    "table",
    {},
    h("caption", { class: "unseen" }, label),
    h("thead", {}, head),
    h("tbody", {}, body),
  );
}

// A text or JSON as it is, in a box that scrolls and can be reached by keys.
export function code(value, { label, key } = {}) {
  return h(
    "pre",
    {
      tabindex: "0",
      class: "scroll",
      role: "region",
      "aria-label": label,
      key: key ?? `code ${label}`,
    },
    pretty(value),
  );
}

// Marks what a model or a stranger wrote.
export function untrusted(...content) {
  return h(
    "div",
    { class: "untrusted" },
    h(
      "p",
      { class: "untrusted-note" },
      "Untrusted: written by a model or another agent. It is shown as text and nobody vouches for it.",
    ),
    content,
  );
}

export function more(label, key, ...content) {
  return h("details", { key }, h("summary", { key: `${key} summary` }, label), content);
}

export function problem(error) {
  if (error.isMissing)
    return h("p", { class: "empty" }, "Not available in this version of the bridge.");
  const isForbidden = error.status === 403;
  return h(
    "div",
    { class: "problem", role: "alert" },
    h(
      "p",
      {},
      h("strong", {}, isForbidden ? "Not allowed: " : "This did not work: "),
      error.message,
    ),
    error.code ? h("p", { class: "dim" }, `${error.status} ${error.code}`) : null,
    error.errors?.length
      ? h(
          "ul",
          {},
          error.errors.map((one) => h("li", {}, `${one.pointer || "the whole"}: ${one.detail}`)),
        )
      : null,
  );
}

export function toast(text, ofTone = "good") {
  const place = document.getElementById("toasts");
  const note = h("p", { class: `toast ${ofTone}` }, text);
  place.append(note);
  while (place.children.length > 4) place.firstChild.remove();
  setTimeout(() => note.remove(), ofTone === "bad" ? 15000 : 5000);
}

// A button that does one thing at a time and tells how it went.
export function button(label, act, { kind = "", key = `button ${label}`, done } = {}) {
  const element = h("button", { type: "button", class: kind, key }, label);
  element.addEventListener("click", async () => {
    const hadFocus = document.activeElement === element;
    element.disabled = true;
    try {
      if ((await act()) !== false && done) toast(done);
    } catch (error) {
      toast(error.message, "bad");
    }
    element.disabled = false;
    // A disabled button has lost it, and no dialog could give it back.
    if (hadFocus && document.activeElement === document.body) element.focus();
  });
  return element;
}

// Asks before something that matters. Gives the note that was written, or null when it shall not be.
export function ask({ title, text, confirm, kind = "", note }) {
  const field = note
    ? h("textarea", { name: "note", rows: "2", maxlength: "4000", id: "ask-note" })
    : null;
  const dialog = h(
    "dialog",
    { "aria-labelledby": "ask-title" },
    h(
      "form",
      { method: "dialog" },
      h("h2", { id: "ask-title" }, title),
      [text].flat().map((one) => (one instanceof Node ? one : h("p", {}, one))),
      field ? h("label", { class: "field", for: "ask-note" }, note, field) : null,
      h(
        "div",
        { class: "row end" },
        h("button", { value: "no", formnovalidate: true }, "Do nothing"),
        h("button", { value: "yes", class: kind || "primary" }, confirm),
      ),
    ),
  );
  document.body.append(dialog);
  const before = document.activeElement;
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const said = dialog.returnValue === "yes" ? { note: field?.value.trim() ?? "" } : null;
      dialog.remove();
      before?.focus?.();
      resolve(said);
    });
  });
}

// fields: [{ name, label, options?: [[value, label]…], list?: […], type? }]. `change` gets all values.
export function form({ fields, values, change, submit = "Show" }) {
  const inputs = fields.map((field) => {
    const id = `field-${field.name}`;
    const shared = { id, name: field.name, key: id };
    const value = values[field.name] ?? "";
    const input = field.options
      ? h(
          "select",
          shared,
          field.options.map(([of, label]) =>
            h("option", { value: of, selected: of === value }, label),
          ),
        )
      : h("input", {
          ...shared,
          type: field.type ?? "search",
          value,
          autocomplete: "off",
          spellcheck: "false",
          placeholder: field.placeholder,
          list: field.list ? `${id}-list` : null,
        });
    const list = field.list
      ? h(
          "datalist",
          { id: `${id}-list` },
          field.list.map((one) => h("option", { value: one })),
        )
      : null;
    return h(
      "label",
      { class: field.wide ? "field grow" : "field", for: id },
      field.label,
      input,
      list,
    );
  });
  const element = h(
    "form",
    { class: "filters", role: "search" },
    inputs,
    h("button", { key: "field-submit" }, submit),
  );
  const tell = () => change(Object.fromEntries(new FormData(element)));
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    tell();
  });
  element.addEventListener("change", (event) => {
    if (event.target instanceof HTMLSelectElement) tell();
  });
  return element;
}
