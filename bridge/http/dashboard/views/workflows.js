// Workflows, their runs, and a run as a graph.
import { get, part, post } from "../api.js";
import { h } from "../dom.js";
import { awaitedBy, graph, stateOf } from "../graph.js";
import { listPanel, panel } from "../panel.js";
import { ask, badge, button, code, facts, form, more, table, time, untrusted } from "../parts.js";
import { duration, shortId } from "../text.js";
import { decideStep, inputOf, noteOf } from "./approvals.js";

const runLink = (run) => `#/workflows/runs/${part(run.id)}`;
const types = ["workflow.", "run.", "step."];

function took(job) {
  if (!job.started) return null;
  return duration(
    (Date.parse(job.finished ?? new Date().toISOString()) - Date.parse(job.started)) / 1000,
  );
}

// ---- one run

async function loadRun(id, step, signal) {
  const path = `/api/gpt-workflows/runs/${part(id)}`;
  const run = await get(path, {}, signal);
  const chosen = step && run.jobs[step] ? step : null;
  const whole = chosen ? await get(`${path}/steps/${part(chosen)}`, {}, signal) : null;
  let definition = null;
  try {
    definition = await get(`/api/gpt-workflows/${part(run.workflow_id)}`, {}, signal);
  } catch (error) {
    if (error.status !== 404) throw error;
  }
  return { run, chosen, whole, definition };
}

function runButtons(run, refresh) {
  if (run.state !== "finished") {
    return button(
      "Cancel …",
      async () => {
        const said = await ask({
          title: "Cancel this run?",
          text: "Steps that run may end; none begins any more. What was sent stays sent.",
          confirm: "Cancel it",
          kind: "danger",
          note: "Why (kept in the audit)",
        });
        if (!said) return false;
        await post(
          `/api/gpt-workflows/runs/${part(run.id)}/cancel`,
          said.note ? { note: said.note } : {},
        );
        await refresh();
        return true;
      },
      { kind: "danger", done: "It is being cancelled." },
    );
  }
  if (!run.links.retry) return null;
  return button(
    "Retry …",
    async () => {
      const said = await ask({
        title: "Retry this run?",
        text: "Steps that succeeded are kept; the failed ones and what needs them run again, and may send again.",
        confirm: "Retry it",
      });
      if (!said) return false;
      await post(`/api/gpt-workflows/runs/${part(run.id)}/retry`);
      await refresh();
      return true;
    },
    { done: "It runs again." },
  );
}

// A query that no conversation answers waits as long as its agent thinks.
function awaitedAgent({ query }) {
  return h(
    "div",
    { class: "problem warn" },
    h(
      "p",
      {},
      "Waits for an answer in the inbox of ",
      h("a", { href: `#/agents/${part(query.agent.id)}`, key: "awaited" }, query.agent.name),
      query.acked ? ["; read ", time(query.acked), "."] : "; not read yet.",
    ),
  );
}

// As it is given to an attempt; before that is known, as the workflow's author wrote it.
function drawInput(whole, defined) {
  if (whole.input) return [h("h3", {}, "Input"), inputOf(whole)];
  return [
    h("h3", {}, "Input, as defined"),
    inputOf(whole),
    defined
      ? code(defined.with ?? {}, { label: "Input" })
      : h("p", { class: "dim" }, "The definition has changed since this run."),
  ];
}

// Other jobs than packets have no page of their own.
function jobOf(step) {
  if (!step.job) return null;
  if (!step.uses?.startsWith("packet/")) return h("code", { title: step.job }, shortId(step.job));
  return h("a", { href: `#/packets/${part(step.job)}`, key: "step job" }, shortId(step.job));
}

function drawStep({ run, chosen, whole, definition }, refresh) {
  if (!chosen)
    return h("p", { class: "dim" }, "Choose a step to see what went in and what came out.");
  const defined =
    definition?.version === run.version ? definition.definition?.jobs?.[chosen] : null;
  const isWaiting = whole.state === "approval";
  return h(
    "section",
    { class: "step", "aria-label": `Step ${chosen}` },
    h("h2", {}, chosen, " ", badge(stateOf(whole))),
    isWaiting
      ? h(
          "div",
          { class: "problem warn" },
          noteOf(whole) ?? h("p", {}, "It waits for a person."),
          h(
            "div",
            { class: "row" },
            button("Approve …", () => decideStep(run.id, chosen, "approve", refresh), {
              kind: "primary",
              done: "It goes on.",
            }),
            button("Reject …", () => decideStep(run.id, chosen, "reject", refresh), {
              kind: "danger",
              done: "It is rejected.",
            }),
          ),
        )
      : null,
    awaitedBy(whole) ? awaitedAgent(whole) : null,
    whole.error
      ? h(
          "div",
          { class: "problem" },
          h("strong", {}, whole.error.code),
          ` ${whole.error.detail ?? ""}`,
        )
      : null,
    facts([
      ["Does", whole.uses],
      ["Needs", whole.needs?.join(", ")],
      ["Attempts", whole.attempts],
      ["Started", whole.started ? time(whole.started) : null],
      ["Took", took(whole)],
      ["Job", jobOf(whole)],
    ]),
    h(
      "div",
      { class: "columns even" },
      h("div", {}, drawInput(whole, defined)),
      h(
        "div",
        {},
        h("h3", {}, "Output"),
        whole.outputs
          ? untrusted(code(whole.outputs, { label: "Output" }))
          : h("p", { class: "dim" }, "It has given nothing (yet)."),
      ),
    ),
  );
}

function oneRun(view, id, step) {
  const title = h("h1", {}, "Run ", h("code", {}, shortId(id)));
  const choose = (chosen) => {
    location.hash = `#/workflows/runs/${part(id)}/${part(chosen)}`;
  };
  const run = panel(view, {
    types,
    load: (signal) => loadRun(id, step, signal),
    draw: (found, refresh) => {
      const { run: shown } = found;
      return [
        h(
          "div",
          { class: "row" },
          h("strong", {}, shown.workflow),
          badge(shown.result ?? shown.state),
          h("span", { class: "dim" }, `${shown.steps_finished} of ${shown.steps} steps`),
          h("span", { class: "dim" }, "began ", time(shown.created)),
          runButtons(shown, refresh),
        ),
        shown.error
          ? h(
              "div",
              { class: "problem" },
              h("strong", {}, shown.error.code),
              ` ${shown.error.detail}`,
            )
          : null,
        h(
          "div",
          { class: "graph-place scroll", key: "graph" },
          graph(shown.jobs, found.chosen, choose),
        ),
        drawStep(found, refresh),
        more(
          "Inputs and outputs of the run",
          "run-values",
          h("h3", {}, "Inputs"),
          code(shown.inputs ?? {}, { label: "Inputs of the run" }),
          h("h3", {}, "Outputs"),
          shown.outputs
            ? untrusted(code(shown.outputs, { label: "Outputs of the run" }))
            : h("p", { class: "dim" }, "None (yet)."),
        ),
      ];
    },
  });
  view.root.append(
    h("p", {}, h("a", { href: "#/workflows", key: "back" }, "← All workflows")),
    title,
    run.element,
  );
}

// ---- one workflow

function oneWorkflow(view, id) {
  const title = h("h1", {}, "Workflow");
  const workflow = panel(view, {
    types,
    load: (signal) => get(`/api/gpt-workflows/${part(id)}`, {}, signal),
    draw: (found) => {
      title.textContent = found.name;
      const jobs = Object.fromEntries(
        Object.entries(found.definition?.jobs ?? {}).map(([step, job]) => [
          step,
          { needs: [job.needs ?? []].flat(), uses: job.uses, state: job.uses ?? "" },
        ]),
      );
      return [
        found.description ? h("p", { class: "prose" }, found.description) : null,
        facts([
          ["Version", found.version],
          ["Steps", found.steps],
          ["Changed", time(found.updated)],
          ["By", found.created_by],
          ["Id", h("code", {}, found.id)],
        ]),
        Object.keys(jobs).length > 0
          ? h(
              "div",
              { class: "graph-place scroll", key: "graph" },
              graph(jobs, null, () => {}),
            )
          : null,
        more("Definition", "definition", code(found.definition ?? {}, { label: "Definition" })),
      ];
    },
  });
  view.root.append(
    h("p", {}, h("a", { href: "#/workflows", key: "back" }, "← All workflows")),
    title,
    workflow.element,
    runsPanel(view, { workflow: id }).element,
  );
}

function runsPanel(view, query) {
  return listPanel(view, {
    title: "Runs",
    path: "/api/gpt-workflows/runs",
    query,
    types,
    rows: (items) =>
      table({
        label: "Runs",
        rows: items,
        empty: "No runs.",
        columns: [
          {
            label: "Run",
            wide: true,
            cell: (run) =>
              h(
                "a",
                { href: runLink(run), key: `run ${run.id}` },
                run.workflow,
                " ",
                h("code", { class: "dim" }, shortId(run.id)),
              ),
          },
          { label: "State", cell: (run) => badge(run.result ?? run.state) },
          { label: "Steps", cell: (run) => `${run.steps_finished} of ${run.steps}` },
          { label: "Began", cell: (run) => time(run.created) },
          { label: "Ended", cell: (run) => time(run.finished) },
        ],
      }),
  });
}

export function show(view) {
  const [first, second, third] = view.path;
  if (first === "runs" && second) {
    oneRun(view, second, third);
    return;
  }
  if (first) {
    oneWorkflow(view, first);
    return;
  }
  const workflows = listPanel(view, {
    title: "Workflows",
    path: "/api/gpt-workflows",
    types: ["workflow."],
    rows: (items) =>
      table({
        label: "Workflows",
        rows: items,
        empty: "No workflows. flywheel workflow create makes one.",
        columns: [
          {
            label: "Name",
            wide: true,
            cell: (one) =>
              h("a", { href: `#/workflows/${part(one.id)}`, key: `workflow ${one.id}` }, one.name),
          },
          { label: "Version", cell: (one) => one.version },
          { label: "Changed", cell: (one) => time(one.updated) },
          { label: "By", cell: (one) => one.created_by },
        ],
      }),
  });
  const filters = form({
    values: view.values,
    change: view.set,
    fields: [
      {
        name: "result",
        label: "Runs",
        options: [
          ["", "all"],
          ["running", "running"],
          ["success", "success"],
          ["failure", "failure"],
          ["cancelled", "cancelled"],
        ],
      },
    ],
  });
  view.root.append(
    h("h1", {}, "Workflows"),
    workflows.element,
    filters,
    runsPanel(view, { result: view.values.result }).element,
  );
}
