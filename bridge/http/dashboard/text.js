// How things are said.

const units = [
  ["d", 86400],
  ["h", 3600],
  ["min", 60],
  ["s", 1],
];

// "3 min" for 200 seconds.
export function duration(seconds) {
  const whole = Math.round(Math.abs(seconds));
  for (const [unit, size] of units) {
    if (whole >= size) return `${Math.floor(whole / size)} ${unit}`;
  }
  return "0 s";
}

export function relative(iso, now = Date.now()) {
  const seconds = (Date.parse(iso) - now) / 1000;
  if (Number.isNaN(seconds)) return String(iso);
  if (Math.abs(seconds) < 2) return "now";
  return seconds < 0 ? `${duration(seconds)} ago` : `in ${duration(seconds)}`;
}

// "login_required" becomes "login required".
export function words(name) {
  return String(name ?? "")
    .replaceAll("_", " ")
    .replaceAll("-", " ");
}

export function shortId(id) {
  const text = String(id ?? "");
  return text.length > 13 ? `${text.slice(0, 13)}…` : text;
}

export function pretty(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

export function shorten(text, most) {
  const whole = String(text ?? "");
  return whole.length > most ? `${whole.slice(0, most - 1)}…` : whole;
}

export function plural(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

const tones = {
  good: [
    "ready",
    "done",
    "success",
    "online",
    "active",
    "approved",
    "executed",
    "allowed",
    "trusted",
    "replied",
    "fired",
  ],
  busy: [
    "running",
    "queued",
    "sent",
    "armed",
    "intent",
    "generating",
    "hydrating",
    "reconnecting",
    "deployed",
    "working",
    "cancelling",
    "accepted",
  ],
  warn: [
    "held",
    "degraded",
    "paused",
    "waiting",
    "approval",
    "waiting for approval",
    "rate limited",
    "usage cap",
    "draft present",
    "unknown ui",
    "expired",
    "late",
  ],
  bad: [
    "failed",
    "failure",
    "offline",
    "rejected",
    "denied",
    "login required",
    "session expired",
    "challenge",
    "browser gone",
    "tab crashed",
    "tab closed",
    "account security",
    "submit unknown",
    "revoked",
    "error turn",
    "dead",
  ],
};
const toneOf = new Map(
  Object.entries(tones).flatMap(([tone, states]) => states.map((state) => [state, tone])),
);

export function tone(state) {
  return toneOf.get(words(state)) ?? "idle";
}
