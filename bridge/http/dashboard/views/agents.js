// The fleets: who is there, how they are, and one agent closely.
import { get, part } from "../api.js";
import { h, outside } from "../dom.js";
import { panel } from "../panel.js";
import { badge, code, facts, form, more, table, time } from "../parts.js";
import { plural, shorten } from "../text.js";

const pagesMost = 10; // of 500
const linkTo = (agent) => `#/agents/${part(agent.slug)}`;
const statuses = ["", "draft", "active", "standby", "deployed"];

// The whole list, as far as a grid makes sense.
async function loadAll(path, query, signal) {
  const items = [];
  let cursor = "";
  for (let page = 0; page < pagesMost; ++page) {
    const found = await get(path, { ...query, limit: 500, cursor }, signal);
    items.push(...found.items);
    cursor = found.next_cursor;
    if (!cursor) break;
  }
  return items;
}

async function fleetsByKey(signal) {
  try {
    const fleets = await loadAll("/api/custom-gpt-fleets", {}, signal);
    return new Map(fleets.map((fleet) => [fleet.key, fleet]));
  } catch (error) {
    if (error.name === "AbortError" || ![403, 404].includes(error.status)) throw error;
    return new Map();
  }
}

function card(agent) {
  return h(
    "li",
    {},
    h(
      "a",
      { class: `agent ${agent.liveness}`, href: linkTo(agent), key: `agent ${agent.id}` },
      h("span", { class: "agent-name" }, agent.name),
      h("span", { class: "row" }, badge(agent.liveness), h("span", {}, `status: ${agent.status}`)),
      h("span", { class: "dim" }, "last heard of: ", time(agent.last_heartbeat, "never")),
    ),
  );
}

function mission(fleet) {
  const now = fleet?.mission;
  if (!now) return null;
  return h(
    "p",
    { class: "mission" },
    badge(now.state),
    " ",
    h("strong", {}, `${now.progress} % `),
    shorten(now.objective, 300),
    h("progress", { max: "100", value: now.progress, "aria-label": "Progress of the mission" }),
  );
}

function drawFleets({ agents, fleets }) {
  if (agents.length === 0)
    return h(
      "p",
      { class: "empty" },
      "No agents. flywheel gpt import registry.json registers them.",
    );
  const groups = Map.groupBy
    ? Map.groupBy(agents, (agent) => agent.category_key ?? "")
    : group(agents);
  const names = [...groups.keys()].sort();
  return names.map((key) => {
    const members = groups.get(key);
    const online = members.filter((agent) => agent.liveness === "active").length;
    return h(
      "section",
      { class: "fleet", "aria-label": members[0].category ?? "No fleet" },
      h(
        "h2",
        {},
        members[0].category ?? "Without a fleet",
        h("span", { class: "count" }, `${plural(members.length, "agent")}, ${online} active`),
      ),
      mission(fleets.get(key)),
      h("ul", { class: "grid" }, members.map(card)),
    );
  });
}

function group(agents) {
  const groups = new Map();
  for (const agent of agents)
    groups.set(agent.category_key ?? "", [...(groups.get(agent.category_key ?? "") ?? []), agent]);
  return groups;
}

function drawAgent(agent) {
  const tags = (all) =>
    all.length > 0
      ? h(
          "span",
          { class: "tags" },
          all.map((one) => h("span", { class: "tag" }, one)),
        )
      : null;
  return [
    h(
      "div",
      { class: "row" },
      badge(agent.liveness),
      badge(agent.status, "idle"),
      badge(agent.tier, "idle"),
      badge(agent.kind, "idle"),
    ),
    agent.purpose ? h("p", { class: "prose" }, agent.purpose) : null,
    facts([
      ["Last heartbeat", time(agent.last_heartbeat, "never")],
      ["Heartbeats", agent.heartbeats],
      ["Says it is", agent.reported_status],
      ["Fleet", agent.category],
      ["Ecosystem", agent.ecosystem],
      ["Link", agent.link ? outside(agent.link) : null],
      ["Aliases", tags(agent.aliases)],
      ["Capabilities", tags(agent.capabilities)],
      ["Clusters", tags(agent.clusters ?? [])],
      ["Added", agent.date_added],
      ["Changed", time(agent.changed)],
      ["Id", h("code", {}, agent.id)],
    ]),
    Object.keys(agent.metrics ?? {}).length > 0
      ? more("Metrics of the last heartbeat", "metrics", code(agent.metrics, { label: "Metrics" }))
      : null,
    h(
      "div",
      { class: "row" },
      h(
        "a",
        { class: "button", href: `#/conversations/${part(agent.slug)}`, key: "to talk" },
        "Conversations",
      ),
      h("a", { class: "button", href: `#/memory/${part(agent.slug)}`, key: "to memory" }, "Memory"),
    ),
  ];
}

function one(view, name) {
  const title = h("h1", {}, name);
  const agent = panel(view, {
    title: "Facts",
    types: ["agent."],
    load: (signal) => get(`/api/gpt-agents/${part(name)}`, {}, signal),
    draw: (found) => {
      title.textContent = found.name;
      return drawAgent(found);
    },
  });
  const beats = panel(view, {
    title: "Heartbeats",
    types: ["agent."],
    load: (signal) => get(`/api/gpt-agents/${part(name)}/heartbeats`, { limit: 20 }, signal),
    draw: (page) =>
      table({
        label: "Heartbeats",
        rows: page.items,
        empty: "It was never heard of.",
        columns: [
          { label: "When", cell: (beat) => time(beat.time) },
          { label: "Status", cell: (beat) => beat.status ?? "" },
          {
            label: "Metrics",
            wide: true,
            cell: (beat) => h("code", {}, shorten(JSON.stringify(beat.metrics ?? {}), 160)),
          },
        ],
      }),
  });
  view.root.append(
    h("p", {}, h("a", { href: "#/agents", key: "back" }, "← All agents")),
    title,
    agent.element,
    beats.element,
  );
}

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
      { name: "q", label: "Words", wide: true },
      { name: "status", label: "Status", options: statuses.map((one) => [one, one || "any"]) },
      {
        name: "liveness",
        label: "Liveness",
        options: ["", "active", "degraded", "offline", "unknown"].map((one) => [one, one || "any"]),
      },
      { name: "capability", label: "Capability" },
    ],
  });
  const grid = panel(view, {
    types: ["agent.", "fleet.", "mission."],
    kind: "bare",
    load: async (signal) => {
      const [agents, fleets] = await Promise.all([
        loadAll(
          "/api/gpt-agents",
          { q: values.q, status: values.status, capability: values.capability },
          signal,
        ),
        fleetsByKey(signal),
      ]);
      return {
        agents: agents.filter((agent) => !values.liveness || agent.liveness === values.liveness),
        fleets,
      };
    },
    draw: drawFleets,
  });
  view.root.append(h("h1", {}, "Agents and fleets"), filters, grid.element);
}
