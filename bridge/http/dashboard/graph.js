// A run's steps as a graph, from left to right by what they need.
import { svg } from "./dom.js";
import { tone, words, shorten } from "./text.js";

const box = { width: 176, height: 58, gapX: 56, gapY: 22, margin: 14 };
// How far a line that passes under other steps is pulled down; it comes three quarters of the way.
const dip = 26;

// The column of each step: one behind the last of what it needs. Steps are few and have no cycles,
// but whatever came is drawn: a step that needs itself stays where it is.
export function columnsOf(jobs) {
  const column = new Map(Object.keys(jobs).map((id) => [id, 0]));
  for (let round = 0; round < column.size; ++round) {
    let isStill = true;
    for (const [id, job] of Object.entries(jobs)) {
      const behind = Math.max(
        0,
        ...(job.needs ?? []).filter((need) => column.has(need)).map((need) => column.get(need) + 1),
      );
      if (behind > column.get(id) && behind < column.size) {
        column.set(id, behind);
        isStill = false;
      }
    }
    if (isStill) break;
  }
  return column;
}

// Where each step stands; rows follow the mean row of what a step needs, so that lines cross less.
function placesOf(jobs) {
  const column = columnsOf(jobs);
  const columns = [];
  for (const [id, at] of column) (columns[at] ??= []).push(id);
  const row = new Map();
  const tall = Math.max(...columns.map((ids) => ids.length));
  for (const ids of columns) {
    const wish = (id) => {
      const rows = (jobs[id].needs ?? [])
        .map((need) => row.get(need))
        .filter((one) => one !== undefined);
      return rows.length > 0 ? rows.reduce((a, b) => a + b, 0) / rows.length : 0;
    };
    const sorted = ids
      .map((id, index) => [wish(id), index, id])
      .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    sorted.forEach(([, , id], index) => row.set(id, index + (tall - ids.length) / 2));
  }
  const places = new Map();
  for (const [id, at] of column) {
    places.set(id, {
      x: box.margin + at * (box.width + box.gapX),
      y: box.margin + row.get(id) * (box.height + box.gapY),
    });
  }
  return {
    places,
    width: 2 * box.margin + columns.length * (box.width + box.gapX) - box.gapX,
    height: 2 * box.margin + tall * (box.height + box.gapY),
  };
}

// Between steps of one row with others in between.
function edgeBelow(from, to, isDone) {
  const x1 = from.x + box.width * 0.8;
  const y1 = from.y + box.height;
  const x2 = to.x + box.width * 0.2;
  const y2 = to.y + box.height + 7;
  return svg("path", {
    class: isDone ? "edge done" : "edge",
    d: `M${x1},${y1} C${x1},${y1 + dip} ${x2},${y2 + dip} ${x2},${y2}`,
    "marker-end": "url(#arrow)",
  });
}

function edge(from, to, isDone) {
  const isOver = to.x - from.x > 1.5 * (box.width + box.gapX);
  if (isOver && Math.abs(to.y - from.y) < box.height) return edgeBelow(from, to, isDone);
  const x1 = from.x + box.width;
  const y1 = from.y + box.height / 2;
  const x2 = to.x - 7;
  const y2 = to.y + box.height / 2;
  const bend = Math.max(20, (x2 - x1) / 2);
  return svg("path", {
    class: isDone ? "edge done" : "edge",
    d: `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`,
    "marker-end": "url(#arrow)",
  });
}

export function stateOf(job) {
  return job.result ?? job.state ?? "pending";
}

// The agent that a step waits for, if what it asks lies in that one's inbox.
export function awaitedBy(job) {
  return job.query?.state === "open" ? job.query.agent.name : null;
}

function node(id, job, place, isChosen, choose) {
  const state = stateOf(job);
  const agent = awaitedBy(job);
  const waits = agent ? `, waits for an answer in the inbox of ${agent}` : "";
  const label = `${id}, ${words(state)}${waits}${job.uses ? `, ${job.uses}` : ""}`;
  const attempts = job.attempts > 1 ? ` · ${job.attempts} attempts` : "";
  return svg(
    "g",
    {
      class: `node ${tone(state)}${isChosen ? " chosen" : ""}`,
      tabindex: "0",
      role: "button",
      "aria-label": label,
      "aria-pressed": String(isChosen),
      key: `node ${id}`,
      transform: `translate(${place.x},${place.y})`,
      on: {
        click: () => choose(id),
        keydown: (event) => {
          if (event.key !== "Enter" && event.key !== " ") return;
          event.preventDefault();
          choose(id);
        },
      },
    },
    svg("title", {}, label),
    svg("rect", { width: box.width, height: box.height, rx: 8 }),
    svg("rect", { class: "stripe", width: 5, height: box.height - 16, x: 8, y: 8, rx: 2 }),
    svg("text", { x: 22, y: 24, class: "node-name" }, shorten(id, 20)),
    svg(
      "text",
      { x: 22, y: 44, class: "node-state" },
      shorten(agent ? `in the inbox of ${agent}` : `${words(state)}${attempts}`, 26),
    ),
  );
}

// jobs: { id: { needs, state, result, uses } }. choose(id) is called by click, Enter and space.
export function graph(jobs, chosen, choose) {
  const { places, width, height } = placesOf(jobs);
  const edges = Object.entries(jobs).flatMap(([id, job]) =>
    (job.needs ?? [])
      .filter((need) => places.has(need) && need !== id)
      .map((need) => edge(places.get(need), places.get(id), jobs[need].result === "success")),
  );
  return svg(
    "svg",
    {
      class: "graph",
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      role: "group",
      "aria-label": "Steps",
    },
    svg(
      "defs",
      {},
      svg(
        "marker",
        {
          id: "arrow",
          viewBox: "0 0 8 8",
          refX: 1,
          refY: 4,
          markerWidth: 8,
          markerHeight: 8,
          orient: "auto",
        },
        svg("path", { class: "arrow", d: "M0,0 L8,4 L0,8 z" }),
      ),
    ),
    edges,
    Object.entries(jobs).map(([id, job]) => node(id, job, places.get(id), id === chosen, choose)),
  );
}
