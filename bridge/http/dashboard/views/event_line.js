// One event in one line.
import { part } from "../api.js";
import { h } from "../dom.js";
import { nameOf } from "../live.js";
import { time } from "../parts.js";
import { shortId, shorten, words } from "../text.js";

const homes = { packet: "packets", agent: "agents", schedule: "schedules", run: "workflows/runs" };

function subjectOf(event) {
  if (!event.subject) return null;
  const noun = nameOf(event).split(".")[0];
  const text = shorten(shortId(event.subject), 24);
  const home = homes[noun];
  return home
    ? h("a", { href: `#/${home}/${part(event.subject)}`, key: `event ${event.id} subject` }, text)
    : h("code", {}, text);
}

// What of the data says most in few words.
function gist(event) {
  const { data } = event;
  if (nameOf(event).startsWith("session.") && data?.state) return words(data.state);
  for (const name of ["detail", "reason", "verdict", "outcome", "name", "topic", "title"]) {
    if (typeof data?.[name] === "string" && data[name] !== "") return shorten(data[name], 120);
  }
  return typeof data?.error?.code === "string" ? shorten(data.error.code, 60) : "";
}

// A CloudEvent, or an entry of the audit with an `id`.
export function eventLine(event) {
  return h(
    "li",
    {},
    time(event.time),
    h("span", { class: "event-type" }, nameOf(event)),
    subjectOf(event),
    h("span", { class: "event-gist dim" }, gist(event)),
  );
}
