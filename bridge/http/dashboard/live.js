// What happens, while it happens: one stream of events for the whole page.

const listeners = new Set();
const kept = 60;
export const newest = []; // the events since this page was opened, newest first
let source = null;
let tell = () => {};

// "flywheel.packet.sent.v1" is "packet.sent" to us.
export function nameOf(event) {
  return String(event.type ?? "")
    .replace(/^flywheel\./, "")
    .replace(/\.v1$/, "");
}

function hand(event) {
  for (const listener of [...listeners]) listener(event);
}

function receive(message) {
  let event;
  try {
    event = JSON.parse(message.data);
  } catch {
    return;
  }
  newest.unshift(event);
  newest.length = Math.min(newest.length, kept);
  hand(event);
}

// `told` gets "live", "waiting" or "off" whenever that changes.
export function start(told) {
  tell = told;
  source = new EventSource("/api/events");
  source.addEventListener("open", () => {
    tell("live");
    hand(null);
  });
  source.addEventListener("message", receive);
  // Something was missed: whoever shows it has to ask anew.
  source.addEventListener("reset", () => hand(null));
  source.addEventListener("error", () =>
    tell(source.readyState === EventSource.CLOSED ? "off" : "waiting"),
  );
}

export function stop() {
  source?.close();
  tell("off");
}

// Calls `listener` with every event, and with null when some may have been missed, until `signal`.
export function listen(listener, signal) {
  listeners.add(listener);
  signal.addEventListener("abort", () => listeners.delete(listener));
}
