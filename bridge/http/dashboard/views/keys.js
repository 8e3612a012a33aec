// API keys: who may use the bridge.
import { del, part } from "../api.js";
import { h } from "../dom.js";
import { listPanel } from "../panel.js";
import { ask, badge, button, table, time } from "../parts.js";
import { shortId } from "../text.js";

function stateOf(key) {
  if (key.revoked) return badge("revoked");
  if (key.expires && Date.parse(key.expires) < Date.now()) return badge("expired");
  return badge("active");
}

async function revoke(key, refresh) {
  const said = await ask({
    title: `Revoke the key “${key.name}”?`,
    text: [
      "It stops working at once and never works again. Whoever uses it needs a new one.",
      "If it is your own, you are signed out.",
    ],
    confirm: "Revoke it",
    kind: "danger",
  });
  if (!said) return false;
  await del(`/api/keys/${part(key.id)}`);
  await refresh();
  return true;
}

export function show(view) {
  const keys = listPanel(view, {
    title: "All keys",
    path: "/api/keys",
    types: ["key.", "agent."],
    rows: (items, refresh) =>
      table({
        label: "API keys",
        rows: items,
        empty: "There are no keys.",
        columns: [
          {
            label: "Name",
            wide: true,
            cell: (key) =>
              h(
                "span",
                {},
                h("strong", {}, key.name),
                " ",
                h("code", { class: "dim" }, shortId(key.id)),
              ),
          },
          { label: "State", cell: stateOf },
          {
            label: "Scopes",
            wide: true,
            cell: (key) =>
              h(
                "span",
                { class: "tags" },
                key.scopes.map((scope) => h("span", { class: "tag" }, scope)),
              ),
          },
          { label: "Agent", cell: (key) => key.agent ?? h("span", { class: "dim" }, "any") },
          { label: "Made", cell: (key) => time(key.created) },
          { label: "Expires", cell: (key) => time(key.expires, "never") },
          {
            label: "",
            cell: (key) =>
              key.revoked
                ? ""
                : button("Revoke …", () => revoke(key, refresh), {
                    key: `revoke ${key.id}`,
                    done: "The key is revoked.",
                  }),
          },
        ],
      }),
  });
  view.root.append(
    h("h1", {}, "Keys"),
    h(
      "p",
      { class: "lead" },
      "A key is made by ",
      h("code", {}, "flywheel key create --name agent-7 --scopes packets"),
      " and shown once, there.",
    ),
    keys.element,
  );
}
