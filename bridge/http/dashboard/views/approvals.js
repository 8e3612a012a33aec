// What waits for a person's yes or no.
import { get, part, post } from "../api.js";
import { h } from "../dom.js";
import { panel } from "../panel.js";
import { plural, shortId, shorten } from "../text.js";
import { ask, badge, button, code, facts, more, table, time, untrusted } from "../parts.js";

const actionsMost = 30; // each is asked for alone: who has decided so far
const stepsMost = 100;
const listedMost = 500;

// Those that are shown end first; how many wait behind them nobody has counted.
function othersWait(page, what) {
  if (!page.next_cursor) return null;
  return h(
    "p",
    { class: "problem warn" },
    `More ${what} wait than are shown. These ${page.items.length} end first; the others follow as these are decided.`,
  );
}

// What a yes and a no come to: an undo bears the name of the action that it takes back.
function choiceOf({ action, undoes }, isYes) {
  const verb = isYes ? "Approve" : "Reject";
  if (!undoes) {
    return {
      title: `${verb} “${action}”?`,
      text: isYes
        ? "The action runs with exactly these parameters, once enough people have approved."
        : "The action does not run.",
      confirm: `${verb} it`,
    };
  }
  const end = isYes
    ? " is taken back: its undo runs with exactly these parameters, once enough people have approved."
    : " stays as it is: its undo does not run.";
  return {
    title: `${verb} the undo of “${action}”?`,
    text: h("p", {}, "What was done as ", h("code", {}, undoes), end),
    confirm: `${verb} the undo`,
  };
}

async function decide(approval, decision, refresh) {
  const isYes = decision === "approve";
  const { title, text, confirm } = choiceOf(approval, isYes);
  const said = await ask({
    title,
    text: [text, untrusted(code(approval.params ?? {}, { label: "Parameters" }))],
    confirm,
    kind: isYes ? "" : "danger",
    note: "Why (kept in the audit)",
  });
  if (!said) return false;
  const body = { approval: approval.id, decision };
  if (said.note) body.note = said.note;
  // By whomever it was asked for, also if that agent is gone.
  await post("/api/gpt-agents/-/actions/approve", body);
  await refresh();
  return true;
}

// A run asks for whoever began it.
function askerOf({ id, asker, workflow_run: run }) {
  if (!run) return asker;
  return h("a", { href: `#/workflows/runs/${part(run)}`, key: `run of ${id}` }, asker);
}

// What an undo takes back.
function undoneBy({ id, undoes }) {
  if (!undoes) return null;
  const href = `#/audit?${new URLSearchParams({ subject: undoes })}`;
  return h("a", { href, key: `undone by ${id}` }, h("code", {}, shortId(undoes)));
}

function card(approval, refresh) {
  const isOpen = approval.state === "waiting";
  const risk = approval.risk > 70 ? "bad" : approval.risk > 50 ? "warn" : "idle";
  const decided = approval.approvals ?? [];
  return h(
    "li",
    { class: "approval" },
    h(
      "div",
      { class: "row" },
      h(
        "strong",
        { class: "approval-action" },
        approval.undoes ? `Undo of ${approval.action}` : approval.action,
      ),
      badge(approval.state),
      badge(`risk ${approval.risk}`, risk),
    ),
    facts([
      ["Undoes", undoneBy(approval)],
      ["Agent", approval.agent ?? "none: a person or a key of its own"],
      ["Asked by", askerOf(approval)],
      ["Asked", time(approval.requested)],
      ["Ends", isOpen ? time(approval.expires) : null],
      ["Needs", plural(approval.approvers, "approval")],
      ["Error", approval.error],
      ["Job", approval.job ? h("code", {}, shortId(approval.job)) : null],
      ["Hash", h("code", {}, shorten(approval.hash, 20))],
    ]),
    decided.length > 0
      ? h(
          "ul",
          {},
          decided.map((one) =>
            h(
              "li",
              {},
              badge(one.decision === "approve" ? "approved" : "rejected"),
              ` ${one.by} `,
              time(one.time),
              one.note ? ` “${one.note}”` : "",
              one.counts ? "" : " counts no more: the key is revoked or has expired",
            ),
          ),
        )
      : null,
    more(
      "Parameters",
      `params ${approval.id}`,
      untrusted(code(approval.params ?? {}, { label: "Parameters", key: `code ${approval.id}` })),
    ),
    isOpen
      ? h(
          "div",
          { class: "row" },
          button("Approve …", () => decide(approval, "approve", refresh), {
            kind: "primary",
            key: `approve ${approval.id}`,
            done: "Your approval counts.",
          }),
          button("Reject …", () => decide(approval, "reject", refresh), {
            kind: "danger",
            key: `reject ${approval.id}`,
            done: "It is rejected.",
          }),
        )
      : null,
  );
}

// Those that wait, as they end, with who has decided so far, and the newest others.
async function loadApprovals(signal) {
  const waiting = await get(
    "/api/approvals",
    { state: "waiting", oldest: true, limit: actionsMost },
    signal,
  );
  const [open, all] = await Promise.all([
    Promise.all(waiting.items.map((one) => get(`/api/approvals/${part(one.id)}`, {}, signal))),
    get("/api/approvals", { limit: 50 }, signal),
  ]);
  return { waiting, open, rest: all.items.filter((one) => one.state !== "waiting") };
}

function drawApprovals({ waiting, open, rest }, refresh) {
  const list = (items, empty) =>
    items.length > 0
      ? h(
          "ul",
          { class: "cards" },
          items.map((one) => card(one, refresh)),
        )
      : h("p", { class: "empty" }, empty);
  return [
    othersWait(waiting, "actions"),
    list(open, "Nothing waits for you."),
    more("Decided before", "decided", list(rest, "Nothing of what was asked for last.")),
  ];
}

// ---- what may be asked for at all

async function turn(body, name, isOff, refresh) {
  const said = await ask(
    isOff
      ? {
          title: `Switch ${name} on again?`,
          text: "Agents may ask for it again.",
          confirm: "Switch it on",
          note: "Why (kept in the audit)",
        }
      : {
          title: `Switch ${name} off?`,
          text: "It is refused from now on, approved or not, until it is switched on again.",
          confirm: "Switch it off",
          kind: "danger",
          note: "Why (kept in the audit)",
        },
  );
  if (!said) return false;
  await post("/api/actions/kill", {
    ...body,
    on: !isOff,
    reason: said.note || "switched at the dashboard",
  });
  await refresh();
  return true;
}

function drawActions(page, refresh) {
  const isAllOff = "all" in (page.switched_off ?? {});
  return [
    table({
      label: "Actions",
      rows: page.items,
      empty: "No actions are defined.",
      columns: [
        {
          label: "Action",
          wide: true,
          cell: (one) => [
            h("strong", {}, one.name),
            one.switched_off ? [" ", badge("off", "bad")] : null,
            h("div", { class: "dim" }, one.description),
          ],
        },
        { label: "Risk", cell: (one) => one.risk },
        { label: "From tier", cell: (one) => one.min_tier },
        {
          label: "",
          cell: (one) =>
            button(
              one.switched_off ? "Switch on …" : "Switch off …",
              () => turn({ action: one.name }, `“${one.name}”`, Boolean(one.switched_off), refresh),
              { key: `switch ${one.name}` },
            ),
        },
      ],
    }),
    h(
      "p",
      {},
      button(
        isAllOff ? "Switch all on …" : "Switch all off …",
        () => turn({ all: true }, "every action", isAllOff, refresh),
        { kind: isAllOff ? "" : "danger", key: "switch all" },
      ),
    ),
  ];
}

// ---- steps of workflows

// What the workflow's author has to say to whoever decides; others may speak in it.
export function noteOf(job) {
  if (!job.approval_note) return null;
  const rest = job.approval_note_at ? " … (the step shows all of it)" : "";
  const note = h("p", { class: "said" }, `${job.approval_note}${rest}`);
  return job.approval_note_trust === "untrusted" ? untrusted(note) : note;
}

// What an attempt is given, with what others said filled in.
export function inputOf(job) {
  if (job.input_error) {
    return h("p", {}, `What it is given cannot be shown: ${job.input_error.detail}`);
  }
  return job.input ? untrusted(code(job.input, { label: "Input" })) : null;
}

// Asks, and decides a step of a run that waits for it.
export async function decideStep(run, step, decision, refresh) {
  const path = `/api/gpt-workflows/runs/${part(run)}/steps/${part(step)}`;
  const job = await get(path);
  const isYes = decision === "approve";
  const does = job.uses ? `It then does ${job.uses} with this:` : "What needs it goes on.";
  const said = await ask({
    title: isYes ? `Let step “${step}” run?` : `Reject step “${step}”?`,
    text: [
      noteOf(job),
      isYes ? does : "It ends as failed, and what needs it is skipped.",
      isYes ? inputOf(job) : null,
    ].filter(Boolean),
    confirm: isYes ? "Let it run" : "Reject it",
    kind: isYes ? "" : "danger",
    note: "Why (kept in the audit)",
  });
  if (!said) return false;
  await post(`${path}/approve`, said.note ? { decision, note: said.note } : { decision });
  await refresh();
  return true;
}

function drawSteps(page, refresh) {
  const shown = table({
    label: "Steps that wait",
    rows: page.items,
    empty: "No step of a workflow waits for you.",
    columns: [
      {
        label: "Step",
        wide: true,
        cell: (job) =>
          h(
            "a",
            {
              href: `#/workflows/runs/${part(job.run)}/${part(job.id)}`,
              key: `step ${job.run} ${job.id}`,
            },
            `${job.workflow}: ${job.id}`,
          ),
      },
      { label: "Does", cell: (job) => job.uses ?? "" },
      { label: "Note", wide: true, cell: (job) => noteOf(job) ?? "" },
      { label: "Ends", cell: (job) => time(job.due) },
      {
        label: "",
        cell: (job) =>
          h(
            "div",
            { class: "row" },
            button("Approve …", () => decideStep(job.run, job.id, "approve", refresh), {
              key: `yes ${job.run} ${job.id}`,
              done: "It goes on.",
            }),
            button("Reject …", () => decideStep(job.run, job.id, "reject", refresh), {
              kind: "danger",
              key: `no ${job.run} ${job.id}`,
              done: "It is rejected.",
            }),
          ),
      },
    ],
  });
  return [othersWait(page, "steps"), shown];
}

export function show(view) {
  const actions = panel(view, {
    title: "Waiting for you",
    types: ["action.", "approval."],
    load: loadApprovals,
    draw: drawApprovals,
  });
  const steps = panel(view, {
    title: "Steps of workflows",
    types: ["workflow.", "run.", "step."],
    load: (signal) => get("/api/gpt-workflows/runs/approvals", { limit: stepsMost }, signal),
    draw: drawSteps,
  });
  const all = panel(view, {
    title: "Actions",
    types: ["action."],
    load: (signal) => get("/api/actions", { limit: listedMost }, signal),
    draw: drawActions,
  });
  view.root.append(h("h1", {}, "Approvals"), actions.element, steps.element, all.element);
}
