// What agents say to one another, by thread.
import { get, part } from "../api.js";
import { h } from "../dom.js";
import { panel } from "../panel.js";
import { badge, code, form, more, table, time, untrusted } from "../parts.js";
import { plural, shorten } from "../text.js";
import { agentNames, agentPicker } from "./agent_picker.js";

const pagesMost = 4; // of 500 messages

// In the order in which they were sent: the newest of them, if they are too many.
async function messagesOf(name, query, signal) {
  const items = [];
  let cursor = "";
  for (let page = 0; page < pagesMost; ++page) {
    const found = await get(
      `/api/gpt-agents/${part(name)}/messages`,
      { ...query, newest: true, limit: 500, cursor },
      signal,
    );
    items.push(...found.items);
    cursor = found.next_cursor;
    if (!cursor) break;
  }
  return { items: items.reverse(), isWhole: !cursor };
}

function threadsOf(messages) {
  const threads = new Map();
  for (const message of messages) {
    const thread = threads.get(message.thread) ?? {
      id: message.thread,
      count: 0,
      parties: new Set(),
      topic: null,
    };
    thread.count += 1;
    thread.parties.add(message.from.name).add(message.to.name);
    thread.topic ??= message.topic;
    thread.last = message;
    threads.set(message.thread, thread);
  }
  return [...threads.values()].sort((a, b) => b.last.sequence - a.last.sequence);
}

function drawThreads(name, { items, isWhole }) {
  const threads = threadsOf(items);
  return [
    isWhole
      ? null
      : h(
          "p",
          { class: "dim" },
          `Only the newest ${plural(items.length, "message")} are shown; the API gives the others.`,
        ),
    table({
      label: "Threads",
      rows: threads,
      empty: "It has neither written nor been written to.",
      columns: [
        {
          label: "Thread",
          wide: true,
          cell: (thread) =>
            h(
              "a",
              {
                href: `#/conversations/${part(name)}/${part(thread.id)}`,
                key: `thread ${thread.id}`,
              },
              shorten(thread.topic ?? thread.id, 80),
            ),
        },
        { label: "Between", wide: true, cell: (thread) => [...thread.parties].join(", ") },
        { label: "Messages", cell: (thread) => thread.count },
        { label: "Last", cell: (thread) => time(thread.last.sent) },
        {
          label: "Says",
          wide: true,
          cell: ({ last }) => [
            last.trust === "untrusted" ? [badge("untrusted", "warn"), " "] : null,
            h("span", { class: "dim" }, shorten(last.text, 120)),
          ],
        },
      ],
    }),
  ];
}

function bubble(agent, message) {
  const isOwn = message.from.id === agent.id;
  const text = h("div", { class: "said" }, message.text);
  const value =
    message.value === undefined
      ? null
      : more(
          "Value",
          `value ${message.id}`,
          code(message.value, { label: "Value", key: `code ${message.id}` }),
        );
  return h(
    "li",
    { class: isOwn ? "message own" : "message" },
    h(
      "p",
      { class: "message-head" },
      h("strong", {}, message.from.name),
      " to ",
      h("strong", {}, message.to.name),
      " ",
      badge(message.kind, "idle"),
      message.outcome ? [" ", badge(message.outcome)] : null,
      " ",
      time(message.sent),
      message.acked ? h("span", { class: "dim" }, " · read") : null,
    ),
    message.trust === "untrusted" ? untrusted(text, value) : [text, value],
  );
}

function one(view, name, thread) {
  const title = h("h1", {}, thread);
  const messages = panel(view, {
    types: ["message.", "query."],
    load: async (signal) => ({
      agent: await get(`/api/gpt-agents/${part(name)}`, {}, signal),
      ...(await messagesOf(name, { thread }, signal)),
    }),
    draw: ({ agent, items, isWhole }) => {
      title.textContent = items.find((message) => message.topic)?.topic ?? thread;
      return [
        isWhole ? null : h("p", { class: "dim" }, "Only the newest messages are shown."),
        items.length > 0
          ? h(
              "ol",
              { class: "messages" },
              items.map((message) => bubble(agent, message)),
            )
          : h("p", { class: "empty" }, "There are no messages in this thread."),
      ];
    },
  });
  view.root.append(
    h(
      "p",
      {},
      h("a", { href: `#/conversations/${part(name)}`, key: "back" }, `← Threads of ${name}`),
    ),
    title,
    messages.element,
  );
}

export function show(view) {
  const [name, thread] = view.path;
  if (name && thread) {
    one(view, name, thread);
    return;
  }
  view.root.append(h("h1", {}, "Conversations"));
  agentPicker(view, "conversations", name);
  if (!name) return;
  const { values } = view;
  const filters = form({
    values,
    change: view.set,
    fields: [
      { name: "with", label: "With (another agent)", list: agentNames() },
      {
        name: "unread",
        label: "Which",
        options: [
          ["", "all"],
          ["true", "unread ones"],
        ],
      },
    ],
  });
  const threads = panel(view, {
    title: `Threads of ${name}`,
    types: ["message.", "query."],
    load: (signal) => messagesOf(name, { with: values.with, unread: values.unread }, signal),
    draw: (found) => drawThreads(name, found),
  });
  view.root.append(filters, threads.element);
}
