// Whose conversations, whose memory: one agent, by its name.
import { get, part } from "../api.js";
import { h } from "../dom.js";
import { panel } from "../panel.js";

let known = [];

// Of the agents that were listed last, for fields that offer them.
export function agentNames() {
  return known.map((agent) => agent.slug);
}

// Adds a field to the view that leads to #/<where>/<agent>.
export function agentPicker(view, where, chosen) {
  const picker = panel(view, {
    kind: "bare",
    load: (signal) => get("/api/gpt-agents", { limit: 500 }, signal),
    draw: (page) => {
      known = page.items;
      if (known.length === 0) return h("p", { class: "empty" }, "No agents are registered.");
      const isListed = known.some((agent) => agent.slug === chosen);
      const select = h(
        "select",
        { id: "agent", key: "agent" },
        isListed ? null : h("option", { value: "", selected: true }, chosen ?? "choose an agent"),
        known.map((agent) =>
          h("option", { value: agent.slug, selected: agent.slug === chosen }, agent.name),
        ),
      );
      select.addEventListener("change", () => {
        if (select.value) location.hash = `#/${where}/${part(select.value)}`;
      });
      return h(
        "div",
        { class: "filters" },
        h("label", { class: "field", for: "agent" }, "Agent", select),
      );
    },
  });
  view.root.append(picker.element);
}
