// What runs by itself.
import { get, part, post } from "../api.js";
import { h } from "../dom.js";
import { listPanel, panel } from "../panel.js";
import { ask, badge, button, code, facts, table, time } from "../parts.js";

const linkTo = (schedule) => `#/schedules/${part(schedule.id)}`;
const ruleOf = (schedule) =>
  schedule.interval ? `every ${schedule.interval}` : `${schedule.cron} (${schedule.time_zone})`;

function outcome(run) {
  if (!run) return h("span", { class: "dim" }, "not yet run");
  const told = [badge(run.outcome), " ", time(run.started)];
  const href = run.job
    ? `#/packets/${part(run.job)}`
    : run.workflow_run && `#/workflows/runs/${part(run.workflow_run)}`;
  return href
    ? h("a", { href, key: `run ${run.number} ${run.job ?? run.workflow_run}` }, told)
    : h("span", {}, told);
}

async function runNow(schedule, refresh) {
  const said = await ask({
    title: `Run “${schedule.name ?? schedule.id}” now?`,
    text: {
      packet: "Its packet is queued once more, beside the times it runs by itself.",
      workflow: "A run of its workflow begins, beside the times it runs by itself.",
      session_check: "The session is looked at once, now.",
    }[schedule.does],
    confirm: "Run it now",
  });
  if (!said) return false;
  await post(`/api/schedules/${part(schedule.id)}/run`);
  await refresh();
  return true;
}

function acts(schedule, refresh) {
  const turn = (verb, label, done) =>
    button(
      label,
      async () => {
        await post(`/api/schedules/${part(schedule.id)}/${verb}`);
        await refresh();
      },
      { key: `${verb} ${schedule.id}`, done },
    );
  return h(
    "div",
    { class: "row" },
    schedule.paused
      ? turn("resume", "Resume", "It goes on.")
      : turn("pause", "Pause", "It rests until it is resumed."),
    button("Run now …", () => runNow(schedule, refresh), {
      key: `run ${schedule.id}`,
      done: "It was started.",
    }),
  );
}

function one(view, id) {
  const shown = panel(view, {
    title: "Schedule",
    types: ["schedule."],
    load: (signal) => get(`/api/schedules/${part(id)}`, {}, signal),
    draw: (schedule, refresh) => [
      facts([
        ["Name", schedule.name],
        ["When", ruleOf(schedule)],
        ["Does", schedule.does.replace("_", " ")],
        ["Workflow", schedule.workflow],
        ["Version", schedule.workflow && (schedule.workflow_version || "none that is known")],
        ["Next run", time(schedule.next_run, "paused")],
        ["Runs", schedule.runs],
        ["Made", time(schedule.created)],
        ["By", schedule.created_by],
      ]),
      acts(schedule, refresh),
      schedule.packet
        ? h("div", {}, h("h3", {}, "Packet"), code(schedule.packet, { label: "Packet" }))
        : null,
      h("h3", {}, "Newest runs"),
      table({
        label: "Newest runs",
        rows: schedule.recent_runs,
        empty: "It has not run yet.",
        columns: [
          { label: "Due", cell: (run) => time(run.due) },
          { label: "Outcome", cell: outcome },
          { label: "Detail", wide: true, cell: (run) => run.detail ?? "" },
        ],
      }),
    ],
  });
  view.root.append(
    h("p", {}, h("a", { href: "#/schedules", key: "back" }, "← All schedules")),
    h("h1", {}, "Schedule"),
    shown.element,
  );
}

export function show(view) {
  if (view.path[0]) {
    one(view, view.path[0]);
    return;
  }
  const all = listPanel(view, {
    title: "All schedules",
    path: "/api/schedules",
    types: ["schedule."],
    rows: (items, refresh) =>
      table({
        label: "Schedules",
        rows: items,
        empty: "Nothing runs by itself. flywheel schedule create makes a schedule.",
        columns: [
          {
            label: "Name",
            wide: true,
            cell: (schedule) =>
              h(
                "a",
                { href: linkTo(schedule), key: `to ${schedule.id}` },
                schedule.name ?? schedule.id,
              ),
          },
          { label: "When", cell: ruleOf },
          { label: "Does", cell: (schedule) => schedule.does.replace("_", " ") },
          {
            label: "Next run",
            cell: (schedule) => (schedule.paused ? badge("paused") : time(schedule.next_run)),
          },
          { label: "Last run", cell: (schedule) => outcome(schedule.last_run) },
          { label: "", cell: (schedule) => acts(schedule, refresh) },
        ],
      }),
  });
  view.root.append(h("h1", {}, "Schedules"), all.element);
}
