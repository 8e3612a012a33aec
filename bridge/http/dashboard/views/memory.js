// What agents remember, searched.
import { del, get, part, post } from "../api.js";
import { h } from "../dom.js";
import { panel } from "../panel.js";
import { ask, badge, button, code, facts, form, table, time, untrusted } from "../parts.js";
import { shortId } from "../text.js";
import { agentPicker } from "./agent_picker.js";

const linkTo = (entry) => `#/memory/${part(entry.agent)}/${part(entry.id)}`;
const titleOf = (entry) => entry.title || shortId(entry.id);

function hits(items, empty) {
  if (items.length === 0) return h("p", { class: "empty" }, empty);
  return h(
    "ol",
    { class: "hits" },
    items.map((entry) =>
      h(
        "li",
        {},
        h(
          "p",
          { class: "hit-head" },
          h("a", { href: linkTo(entry), key: `hit ${entry.id}` }, titleOf(entry)),
          " ",
          badge(entry.type, "idle"),
          " ",
          badge(entry.trust, entry.trust === "untrusted" ? "warn" : "good"),
          " ",
          h("span", { class: "dim" }, `${entry.agent} · `),
          time(entry.created),
        ),
        h("p", { class: "said" }, entry.snippet ?? entry.excerpt ?? ""),
      ),
    ),
  );
}

function drawDreams(dreams) {
  return [
    facts([
      ["Entries", dreams.entries],
      ["Bytes", dreams.bytes],
    ]),
    table({
      label: "Expertise",
      rows: dreams.expertise ?? [],
      empty: "No topics yet.",
      columns: [
        { label: "Topic", wide: true, cell: (one) => one.topic },
        { label: "Entries", cell: (one) => one.entries },
        { label: "Last", cell: (one) => time(one.last) },
      ],
    }),
  ];
}

async function remove(name, entry) {
  const said = await ask({
    title: "Delete this entry?",
    text: "It is gone for good; the audit keeps only its hash.",
    confirm: "Delete it",
    kind: "danger",
  });
  if (!said) return false;
  await del(`/api/gpt-agents/${part(name)}/memory/${part(entry.id)}`);
  location.hash = `#/memory/${part(name)}`;
  return true;
}

function one(view, name, id) {
  const title = h("h1", {}, shortId(id));
  const entry = panel(view, {
    load: (signal) => get(`/api/gpt-agents/${part(name)}/memory/${part(id)}`, {}, signal),
    draw: (found) => {
      title.textContent = titleOf(found);
      const text = code(found.content, { label: "Content" });
      return [
        found.trust === "untrusted" ? untrusted(text) : text,
        facts([
          ["Agent", found.agent],
          ["Type", found.type],
          ["Tags", found.tags.join(", ")],
          ["Sharing", found.sharing],
          ["Origin", found.origin],
          ["Made", time(found.created)],
          ["By", found.created_by],
          ["SHA-256", h("code", {}, found.sha256)],
        ]),
        h(
          "div",
          { class: "row" },
          button("Delete …", () => remove(name, found), { kind: "danger", done: "It is deleted." }),
        ),
      ];
    },
  });
  view.root.append(
    h("p", {}, h("a", { href: `#/memory/${part(name)}`, key: "back" }, `← Memory of ${name}`)),
    title,
    entry.element,
  );
}

export function show(view) {
  const [name, id] = view.path;
  if (name && id) {
    one(view, name, id);
    return;
  }
  view.root.append(h("h1", {}, "Memory"));
  agentPicker(view, "memory", name);
  if (!name) return;
  const { values } = view;
  const path = `/api/gpt-agents/${part(name)}`;
  const filters = form({
    values,
    change: view.set,
    submit: "Search",
    fields: [
      { name: "query", label: "Words", wide: true },
      {
        name: "scope",
        label: "Whose",
        options: [
          ["all", "all it may see"],
          ["own", "its own"],
          ["fleet", "its fleet's"],
        ],
      },
      { name: "type", label: "Type" },
      { name: "tag", label: "Tag" },
    ],
  });
  const found = values.query
    ? panel(view, {
        title: "Found",
        types: ["memory."],
        load: () =>
          post(
            `${path}/memory/search`,
            Object.fromEntries(
              Object.entries({ ...values, limit: 50 }).filter(([, value]) => value !== ""),
            ),
          ),
        draw: (answer) => [
          answer.note ? h("p", { class: "dim" }, answer.note) : null,
          hits(answer.items, "Nothing has these words."),
        ],
      })
    : panel(view, {
        title: "Newest entries",
        types: ["memory."],
        load: (signal) => get(`${path}/memory`, { type: values.type, tag: values.tag }, signal),
        draw: (page) => hits(page.items, "It remembers nothing."),
      });
  const dreams = panel(view, {
    title: "What it knows",
    types: ["memory."],
    load: (signal) => get(`${path}/dreams`, {}, signal),
    draw: drawDreams,
  });
  view.root.append(filters, found.element, dreams.element);
}
