// Packets: what was handed in, and what became of it.
import { get, getText, part, post } from "../api.js";
import { h } from "../dom.js";
import { listPanel, panel } from "../panel.js";
import {
  ask,
  badge,
  button,
  code,
  facts,
  form,
  problem,
  table,
  time,
  untrusted,
} from "../parts.js";
import { duration, shortId } from "../text.js";
import { eventLine } from "./event_line.js";

const states = ["queued", "running", "held", "done", "failed", "cancelled", "expired"];
const stages = ["queued", "intent", "armed", "sent", "replied"];
const linkTo = (packet) => `#/packets/${part(packet.id)}`;

// ---- what a person may do about one

const acts = {
  cancel: {
    label: "Cancel …",
    confirm: "Cancel it",
    note: "Why (kept in the audit)",
    done: "It is cancelled.",
    kind: "danger",
    title: "Cancel this packet?",
    text: "It is not posted. This works only while it has certainly not been sent.",
  },
  retry: {
    label: "Queue again …",
    confirm: "Queue it again",
    done: "It is queued again.",
    title: "Queue this packet again?",
    text: [
      "It is posted into the conversation as a new attempt.",
      "If an earlier attempt was posted after all, the conversation has it twice then.",
    ],
  },
};
const verdicts = {
  sent: {
    label: "It was sent …",
    confirm: "It was sent",
    done: "The bridge reads its answer now.",
    title: "Was it sent?",
    text: [
      "You have looked into the conversation and found this message there.",
      "The bridge does not post it again and waits for its answer.",
    ],
  },
  "not-sent": {
    label: "It was not sent …",
    confirm: "It was not sent",
    done: "It is posted again.",
    kind: "danger",
    title: "Was it certainly not sent?",
    text: [
      "You have looked into the conversation and the message is not there.",
      "The bridge posts it again. If it is there after all, it is there twice then.",
    ],
  },
  abandon: {
    label: "Give it up …",
    confirm: "Give it up",
    done: "It is given up.",
    kind: "danger",
    title: "Give this packet up?",
    text: "It ends as failed, whether it was sent or not, and the lane goes on. Its answer is not read.",
  },
};

function act(packet, refresh, plan, path, body) {
  return button(
    plan.label,
    async () => {
      const said = await ask(plan);
      if (!said) return false;
      await post(`/api/packets/${part(packet.id)}/${path}`, body(said.note));
      // What is no packet was here only for as long as it waited for a person.
      if (packet.kind === "packet") await refresh();
      else location.hash = "#/packets";
      return true;
    },
    { kind: plan.kind ?? "", key: `act ${plan.label}`, done: plan.done },
  );
}

function buttons(packet, refresh) {
  const row = [];
  const isEarly =
    packet.state === "queued" || (packet.state === "running" && packet.stage === "intent");
  if (isEarly)
    row.push(act(packet, refresh, acts.cancel, "cancel", (note) => (note ? { note } : {})));
  if (["failed", "cancelled", "expired"].includes(packet.state))
    row.push(act(packet, refresh, acts.retry, "retry", () => ({})));
  if (packet.state === "held") {
    for (const [verdict, plan] of Object.entries(verdicts)) {
      row.push(
        act(
          packet,
          refresh,
          { ...plan, note: "What you saw (kept in the audit)" },
          "resolve",
          (note) => (note ? { verdict, note } : { verdict }),
        ),
      );
    }
  }
  return row.length > 0 ? h("div", { class: "row" }, row) : null;
}

// ---- one packet

function stageLine(packet) {
  const at = packet.timings;
  const reached = Math.max(0, ...stages.map((stage, index) => (at[stage] ? index : 0)));
  return h(
    "ol",
    { class: "stages", "aria-label": "Stages" },
    stages.map((stage, index) =>
      h(
        "li",
        { class: at[stage] ? "reached" : "", "aria-current": index === reached ? "step" : null },
        h("span", { class: "stage-name" }, stage),
        at[stage] ? time(at[stage]) : h("span", { class: "dim" }, "not yet"),
      ),
    ),
  );
}

function drawPacket(packet, refresh) {
  const took = packet.timings.ended
    ? (Date.parse(packet.timings.ended) - Date.parse(packet.timings.queued)) / 1000
    : null;
  return [
    h("div", { class: "row" }, badge(packet.state), buttons(packet, refresh)),
    packet.state === "held"
      ? h(
          "p",
          { class: "lead" },
          "The bridge lost sight of this message between the click and its proof. ",
          "Only a person can say what became of it: open the conversation and look.",
        )
      : null,
    stageLine(packet),
    packet.error
      ? h(
          "div",
          { class: "problem" },
          h("strong", {}, packet.error.code),
          ` ${packet.error.detail}`,
        )
      : null,
    packet.warnings.length > 0
      ? h(
          "ul",
          { class: "todos" },
          packet.warnings.map((text) => h("li", { class: "warn" }, text)),
        )
      : null,
    facts([
      ["Kind", packet.kind === "packet" ? null : packet.kind],
      ["Bead", packet.bead],
      ["Sender", packet.sender],
      ["Priority", packet.priority],
      ["Attempts", packet.attempts],
      ["Position", packet.position],
      ["Expected to start", packet.eta ? time(packet.eta) : null],
      ["Expires", packet.deadline ? time(packet.deadline) : null],
      ["Took", took === null ? null : duration(took)],
      ["Id", h("code", {}, packet.id)],
      [
        "Conversation",
        packet.state === "held" && packet.conversation ? h("code", {}, packet.conversation) : null,
      ],
      ["Key", h("code", {}, packet.idempotency_key)],
    ]),
    packet.response
      ? untrusted(h("h3", {}, "Response"), code(packet.response, { label: "Response" }))
      : null,
  ];
}

function rawPanel(view, id) {
  const place = h("div", {});
  const show = button("Show the raw reply", async () => {
    try {
      const text = await getText(`/api/packets/${part(id)}/raw`, view.signal);
      place.replaceChildren(untrusted(code(text, { label: "Raw reply" })));
    } catch (error) {
      place.replaceChildren(problem(error));
    }
  });
  return h(
    "section",
    { class: "panel", "aria-label": "Raw reply" },
    h("div", { class: "panel-head" }, h("h2", {}, "Raw reply"), show),
    place,
  );
}

function one(view, id) {
  const packet = panel(view, {
    title: "State",
    types: ["packet.", "queue."],
    load: (signal) => get(`/api/packets/${part(id)}`, {}, signal),
    draw: drawPacket,
  });
  const story = panel(view, {
    title: "Story",
    types: ["packet."],
    load: (signal) => get("/api/audit", { subject: id, limit: 200 }, signal),
    draw: (page) =>
      page.items.length > 0
        ? h(
            "ol",
            { class: "events" },
            page.items.map((entry) =>
              eventLine({ ...entry, id: String(entry.sequence), subject: "" }),
            ),
          )
        : h("p", { class: "empty" }, "The audit has no entries about it."),
  });
  view.root.append(
    h("p", {}, h("a", { href: "#/packets", key: "back" }, "← All packets")),
    h("h1", {}, "Packet ", h("code", {}, shortId(id))),
    packet.element,
    rawPanel(view, id),
    story.element,
  );
}

// ---- all of them

export function show(view) {
  if (view.path[0]) {
    one(view, view.path[0]);
    return;
  }
  const { values } = view;
  const filters = form({
    values,
    change: view.set,
    fields: [
      {
        name: "state",
        label: "State",
        options: [["", "any"], ...states.map((state) => [state, state])],
      },
      { name: "sender", label: "Sender" },
      { name: "bead", label: "Bead" },
    ],
  });
  const list = listPanel(view, {
    path: "/api/packets",
    query: { state: values.state, sender: values.sender, bead: values.bead },
    types: ["packet."],
    rows: (items) =>
      table({
        label: "Packets",
        rows: items,
        empty: "No packets. flywheel send packet.json hands one in.",
        columns: [
          {
            label: "Bead",
            wide: true,
            cell: (packet) => [
              h(
                "a",
                { href: linkTo(packet), key: `to ${packet.id}` },
                packet.bead || shortId(packet.id),
              ),
              " ",
              h("code", { class: "dim" }, shortId(packet.id)),
            ],
          },
          { label: "State", cell: (packet) => badge(packet.state) },
          { label: "Stage", cell: (packet) => (packet.stage === "none" ? "–" : packet.stage) },
          { label: "Sender", cell: (packet) => packet.sender },
          { label: "Priority", cell: (packet) => packet.priority },
          { label: "Queued", cell: (packet) => time(packet.timings.queued) },
          { label: "Ended", cell: (packet) => time(packet.timings.ended) },
          { label: "Error", cell: (packet) => packet.error?.code ?? "" },
        ],
      }),
  });
  view.root.append(h("h1", {}, "Packets"), filters, list.element);
}
