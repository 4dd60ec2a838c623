/* One request to the server, and what became of it:
   "answered" (with the reply), "away" (no line, or a server that is starting again), "out" (logged out),
   "other" (somebody else is logged in here) or "broken" (the server will not have it, with the status). */
import { page, refreshToken } from "./page.js";

const PATIENCE = 20_000; // milliseconds
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

export async function post(url, fields) {
  const first = await once(url, fields);
  if (first.kind !== "broken" || first.status !== 403) return first;
  const person = await refreshToken(); // the page was open for too long, or there was a log-in meanwhile
  if (person === "same") return once(url, fields);
  if (person === "refused") return first;
  return { kind: { nobody: "out", other: "other", away: "away" }[person] };
}

export function get(url, fields) {
  return ask(`${url}?${new URLSearchParams({ ...fields, person: page.person })}`, {});
}

function once(url, fields) {
  const body = new URLSearchParams(fields);
  body.set("csrfmiddlewaretoken", page.csrf);
  body.set("person", page.person); // whose page this is; the server has nothing done in another's name
  return ask(url, { method: "POST", body });
}

async function ask(url, options) {
  try {
    const headers = { Accept: "application/json" };
    const response = await fetch(url, { ...options, headers, redirect: "manual", signal: AbortSignal.timeout(PATIENCE) });
    if (response.type === "opaqueredirect" || response.status === 401) return { kind: "out" };
    if (response.ok) return { kind: "answered", reply: response.status === 204 ? {} : await response.json() };
    return { kind: PASSING.has(response.status) ? "away" : "broken", status: response.status };
  } catch {
    return { kind: "away" };
  }
}
