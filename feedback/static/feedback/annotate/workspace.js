/* The item at hand and those loaded ahead; an answer goes to the outbox and the next item shows at once. */
import { notice, showState } from "./banner.js";
import * as drafts from "./drafts.js";
import { comparisonOf, complain, fieldsOf, freeze, isTouched, missing, restore } from "./item.js";
import { get, post } from "./line.js";
import * as outbox from "./outbox.js";
import * as pace from "./pace.js";
import { announce, newId, page, say } from "./page.js";
import { setUpRanking } from "./ranking.js";
import { setUpTexts, showTexts } from "./reading.js";
import { setUpSpans } from "./spans.js";
import { closeAfter, replyWithin, showAfter, tellReply } from "./after.js";
import { count, countFrom } from "./progress.js";

const AHEAD = 1;
const place = document.getElementById("item");
let current = null;
let ahead = [];
let state = null; // what the server says when nothing more comes
let filling = false;
const pending = new Set(); // comparisons whose answer is on its way
const answered = new Map(); // their forms, for undo

export const shown = () => current;
export const held = () => (current ? [current, ...ahead] : ahead);

/* coming in */
function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.querySelector("form.item");
}

/* What is loaded and what is on its way stands on the page too, for whoever waits for it. */
function keepAhead(forms) {
  ahead = forms;
  page.root.dataset.ahead = forms.length;
}

function track(id, onItsWay) {
  if (onItsWay) pending.add(id);
  else pending.delete(id);
  page.root.dataset.pending = pending.size;
}

const knows = (id) => pending.has(id) || held().some((form) => comparisonOf(form) === id);

async function prepare(form) {
  setUpRanking(form);
  setUpSpans(form);
  setUpTexts(form);
  form.addEventListener("input", () => drafts.keepDraft(form));
  await drafts.restoreDraft(form);
  return form;
}

async function adopt(html) {
  const form = html && parse(html);
  if (!form || knows(comparisonOf(form))) return;
  keepAhead([...ahead, form]);
  await prepare(form);
}

/* Asks for what this page does not hold yet. While an answer is on its way, its reply will bring the next. */
export async function fill() {
  if (filling || ahead.length >= AHEAD || pending.size) return;
  filling = true;
  const { kind, reply } = await get(page.urls.next, { held: held().map(comparisonOf).join(",") });
  filling = false;
  if (kind === "answered") await take(reply);
  else if (!current) setTimeout(fill, 5000);
}

async function take(reply) {
  countFrom(reply.progress, pending.size);
  await adopt(reply.next);
  if (reply.state !== undefined) state = reply.state;
  if (!current) advance();
}

/* showing */
export function show(form) {
  current = form;
  freeze(form, false);
  place.replaceChildren(form);
  showTexts(form);
  pace.restart();
  window.scrollTo({ top: 0 });
  form.focus({ preventScroll: true });
  requestAnimationFrame(() => performance.getEntriesByName("answer").length && measure());
}

/* For the browser's performance panel: how long the next item took. */
function measure() {
  performance.measure("answer-to-next", "answer");
  performance.clearMarks("answer");
}

function advance() {
  const [next, ...rest] = ahead;
  if (next) {
    keepAhead(rest);
    show(next);
    announce(say("next-item"));
  } else if (state) {
    current = null;
    showPlaceholder(state);
  } else waitForNext();
  fill();
}

/* The reply that brings the next item is mostly here before anybody could read that it is not. */
function waitForNext() {
  if (current) freeze(current, true);
  current = null;
  setTimeout(() => !current && !state && showPlaceholder(null), 400);
}

function showPlaceholder(html) {
  const template = document.createElement("template");
  template.innerHTML = html ?? document.getElementById("loading").innerHTML;
  place.replaceChildren(template.content);
  place.querySelector("[tabindex]")?.focus({ preventScroll: true });
}

/* answering */
export async function submit(form, skip = "") {
  if (form !== current || form.inert) return;
  const gap = skip ? null : missing(form);
  if (gap) {
    complain(gap.part, gap.sentence);
    return announce(gap.sentence);
  }
  performance.mark("answer");
  const seconds = pace.seconds();
  notice(!skip && pace.tooQuick(form, seconds) ? say("too-quick", { words: form.dataset.words, seconds: seconds.toFixed(0) }) : "");
  const entry = { kind: "answer", to: "annotate", comparison: comparisonOf(form), fields: answerOf(form, seconds, skip) };
  remember(form);
  count(1);
  const kept = outbox.add(entry);
  if (form.dataset.after === "true" && !skip) await explain(form);
  else advance();
  await kept;
}

function answerOf(form, seconds, skip) {
  const fields = fieldsOf(form).filter(([name]) => name !== "skip_reason");
  const how = skip ? [["skip", "1"], ["skip_reason", skip]] : [["submit", "1"]];
  return [...fields, ["submission_id", newId()], ["seconds", seconds.toFixed(1)], ...how];
}

function remember(form) {
  const id = comparisonOf(form);
  track(id, true);
  answered.delete(id);
  answered.set(id, form);
  if (answered.size > 5) answered.delete(answered.keys().next().value);
}

/* Where an answer may be explained, its reply is waited for, but not for long. */
async function explain(form) {
  freeze(form, true);
  const reply = await replyWithin(comparisonOf(form));
  if (current !== form) return;
  if (reply?.after) showAfter(reply.after, advance);
  else if (!reply?.refused) advance();
}

/* what became of answers */
export const callbacks = {
  held: (entry) => [...new Set([...held().map(comparisonOf), ...pending])].filter((id) => id !== entry.comparison),
  changed: showState,
  async stored(entry, reply) {
    if (entry.kind !== "answer") return;
    track(entry.comparison, false);
    drafts.drop(entry.comparison);
    const waited = tellReply(entry.comparison, reply);
    await take(reply);
    if (reply.after && !waited) showAfter(reply.after, () => undefined);
    if (!state) fill();
  },
  async declined(entry, reply) {
    if (entry.kind !== "answer") return notice(reply.refused, "warning");
    track(entry.comparison, false);
    tellReply(entry.comparison, reply);
    const form = answered.get(entry.comparison);
    const canBeMended = reply.field && reply.field !== "comparison";
    if (form && canBeMended) bring(form);
    else if (form && form === current) advance();
    await take(reply);
    notice(reply.refused, "warning");
    announce(reply.refused);
  },
  /* The same person answered it in another window. */
  elsewhere({ kind, comparison }) {
    if (kind !== "answer" || pending.has(comparison)) return;
    keepAhead(ahead.filter((form) => comparisonOf(form) !== comparison));
    if (current && comparisonOf(current) === comparison) {
      advance();
      notice(say("answered-elsewhere"));
    } else fill();
  },
};

/* taking back */
export async function undo() {
  closeAfter();
  const last = await outbox.withdraw();
  if (last) return undoUnsent(last);
  const { kind, reply } = await post(page.urls.undo, []);
  if (kind !== "answered") return notice(say("undo-away"), "warning");
  countFrom(reply.progress, 0);
  if (reply.refused) return notice(reply.refused, "warning");
  const form = reply.item && parse(reply.item);
  if (form) bring(await prepare(form));
  announce(reply.said ?? say("undone"));
}

async function undoUnsent(last) {
  track(last.comparison, false);
  count(-1);
  const form = answered.get(last.comparison);
  await drafts.keep(last.comparison, last.fields);
  if (form) {
    restore(form, last.fields);
    bring(form);
  } else fill();
  announce(say("undone"));
}

/* Puts an item in front of the one at hand, which stays the next. */
function bring(form) {
  const id = comparisonOf(form);
  answered.delete(id);
  keepAhead([current, ...ahead].filter((other) => other && other !== form && comparisonOf(other) !== id));
  notice("");
  show(form);
}

/* Starts with the item that came with the page, unless it is answered already. */
export async function begin(form, wasGivenBack) {
  outbox.listen(callbacks); // before anything else: somebody may answer while the page is still being prepared
  current = form;
  state = form ? null : place.innerHTML;
  const prepared = form && prepare(form);
  if (form) showTexts(form);
  for (const row of await outbox.waiting()) if (row.kind === "answer") track(row.comparison, true);
  await prepared;
  if (form && pending.has(comparisonOf(form))) waitForNext();
  else if (wasGivenBack) await takeAgain();
  outbox.sendNow().then(fill);
}

/* What the page before this one gave back is asked for anew; mostly it is the same item. */
async function takeAgain() {
  const { kind, reply } = await get(page.urls.next, { held: "" });
  if (kind !== "answered") return;
  const form = reply.next && parse(reply.next);
  if (current && ((form && comparisonOf(form) === comparisonOf(current)) || isTouched(current))) return;
  waitForNext();
  await take(reply);
}

/* The items at hand are not sure to be ours any more: only what was begun stays. */
export function startAgain() {
  keepAhead([]);
  if (current && !isTouched(current)) current = null;
  if (!current) showPlaceholder(null);
  fill();
}
