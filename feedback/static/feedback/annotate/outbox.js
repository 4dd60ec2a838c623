/* Answers that the server has not confirmed yet. They are sent in their order, one at a time, each until the server
   says that it is stored or declined. The id of a submission is made when its answer comes in here, so that an
   answer sent twice (the reply was lost, the browser died) is stored once. */
import { post } from "./line.js";
import { page } from "./page.js";
import * as store from "./store.js";

const WAITS = [1, 2, 4, 8, 15, 30]; // seconds until the next try
const tabs = "BroadcastChannel" in self ? new BroadcastChannel("concord-outbox") : null;
let listener = null;
let sending = false;
let again = false;
let tries = 0;
let timer = 0;
let state = { kind: "idle", count: 0, retryAt: 0 };

/* {held(entry), stored(entry, reply), declined(entry, reply), changed(state), elsewhere(entry)} */
export function listen(callbacks) {
  listener = callbacks;
  tabs?.addEventListener("message", ({ data }) => {
    if (data.owner !== page.owner) return;
    if (data.what === "stored") listener.elsewhere(data.entry);
    report(state.kind);
  });
  window.addEventListener("online", sendNow);
}

export const waiting = () => store.rowsOf("outbox", page.owner);

/* Keeps the answer, then sends. The promise ends when the answer is kept, not when it is sent. */
export async function add(entry) {
  const row = { ...entry, owner: page.owner, at: Date.now() };
  row.order = await store.put("outbox", row);
  await report(state.kind === "idle" ? "sending" : state.kind);
  tell("added", row);
  pump();
  return row;
}

/* The newest answer, taken out again before it was sent; null where all are sent. */
export function withdraw() {
  return alone(async () => {
    const last = (await waiting()).filter((row) => row.kind === "answer").at(-1);
    if (!last) return null;
    await store.remove("outbox", last.order);
    await report(state.kind);
    return last;
  });
}

export async function sendNow() {
  tries = 0;
  for (const row of await waiting()) if (row.failed) await store.put("outbox", { ...row, failed: 0 });
  await pump();
}

async function pump() {
  clearTimeout(timer);
  if (sending) return void (again = true);
  sending = true;
  try {
    do {
      again = false;
      await drain();
    } while (again);
  } finally {
    sending = false;
  }
}

/* Each answer is sent under a lock that all tabs share; between two of them the lock is free for undo. */
async function drain() {
  for (;;) {
    const outcome = await alone(sendOldest);
    if (outcome === "none") return report("idle");
    if (outcome !== "sent") return later(outcome);
    tries = 0;
  }
}

async function sendOldest() {
  const entry = (await waiting()).find((row) => !row.failed);
  if (!entry) return "none";
  const fields = [...entry.fields, ["held", listener.held(entry).join(",")]];
  const outcome = await post(page.urls[entry.to], fields);
  if (outcome.kind === "answered") await settle(entry, outcome.reply);
  else if (outcome.kind === "broken") await store.put("outbox", { ...entry, failed: outcome.status });
  else return outcome.kind;
  await report("sending");
  return "sent";
}

async function settle(entry, reply) {
  await store.remove("outbox", entry.order);
  tell("stored", entry);
  if (reply.refused) await listener.declined(entry, reply);
  else await listener.stored(entry, reply);
}

function later(kind) {
  const seconds = WAITS[Math.min(tries++, WAITS.length - 1)];
  timer = setTimeout(pump, seconds * 1000);
  return report(kind, Date.now() + seconds * 1000);
}

async function report(kind, retryAt = 0) {
  const rows = await waiting();
  const failed = rows.filter((row) => row.failed);
  state = { kind: rows.length > failed.length ? kind : "idle", count: rows.length, failed: failed.at(-1)?.failed, retryAt };
  listener.changed(state);
}

function tell(what, entry) {
  tabs?.postMessage({ what, owner: page.owner, entry: { comparison: entry.comparison, kind: entry.kind } });
}

/* Web Locks are there over https and on localhost. Elsewhere two tabs may both send; the server stores it once. */
let queue = Promise.resolve();
function alone(work) {
  if (navigator.locks) return navigator.locks.request(`concord-outbox:${page.owner}`, work);
  const done = queue.then(work);
  queue = done.catch(() => undefined);
  return done;
}
