// Calls of the API. The session's cookie comes by itself; the header shows that a script of ours asks.

// What the API answers instead of what was asked for.
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `the bridge answered ${status}`);
    this.status = status;
    this.code = body.code || "";
    this.errors = Array.isArray(body.errors) ? body.errors : [];
  }

  // The path itself is unknown: this version of the bridge has no such thing.
  get isMissing() {
    return this.status === 404 && this.message.startsWith("there is nothing at ");
  }
}

async function problemOf(answer) {
  let body = {};
  try {
    body = await answer.json();
  } catch {
    // No problem document: the status has to say it all.
  }
  return new Problem(answer.status, body);
}

async function call(method, path, { body, signal, accept = "application/json" } = {}) {
  const headers = { "X-Flywheel-Dashboard": "1", Accept: accept };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers,
      signal,
      credentials: "same-origin",
      redirect: "error",
      cache: "no-store",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { detail: "the bridge does not answer: does flywheel serve run?" });
  }
  if (answer.ok) return answer;
  if (answer.status === 401) document.dispatchEvent(new CustomEvent("signed-out"));
  throw await problemOf(answer);
}

// "/api/x" with the members of `query` that are not empty.
export function withQuery(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value != null);
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`;
}

export async function get(path, query, signal) {
  return (await call("GET", withQuery(path, query), { signal })).json();
}

export async function getText(path, signal) {
  return (await call("GET", path, { signal, accept: "text/plain" })).text();
}

async function jsonOf(answer) {
  return answer.status === 204 ? null : answer.json();
}

export async function post(path, body = {}) {
  return jsonOf(await call("POST", path, { body }));
}

export async function del(path) {
  return jsonOf(await call("DELETE", path));
}

// For a path: ids come from outside, too.
export function part(text) {
  return encodeURIComponent(String(text));
}
