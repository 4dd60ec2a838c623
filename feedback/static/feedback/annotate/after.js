/* What a person is shown after an answer: a practice item explained, or how the AI judges saw it. */
import * as outbox from "./outbox.js";

const PATIENCE = 2500; // milliseconds; then the next item comes, and the words when they arrive
const panel = document.getElementById("after");
const waiting = new Map();
let goOn = null;

export function replyWithin(comparison) {
  return new Promise((resolve) => {
    waiting.set(comparison, resolve);
    setTimeout(resolve, PATIENCE);
  }).finally(() => waiting.delete(comparison));
}

/* True where somebody waits for this reply. */
export function tellReply(comparison, reply) {
  const resolve = waiting.get(comparison);
  resolve?.(reply);
  return Boolean(resolve);
}

export const isAfter = () => !panel.hidden;

export function showAfter(html, then) {
  panel.querySelector("[data-after-body]").innerHTML = html; // the server's own fragment
  panel.hidden = false;
  goOn = then;
  panel.focus({ preventScroll: true });
}

export function closeAfter() {
  if (panel.hidden) return;
  panel.hidden = true;
  panel.querySelector("[data-after-body]").replaceChildren();
  goOn = null;
}

export function leaveAfter() {
  const then = goOn;
  closeAfter();
  then?.();
}

panel.addEventListener("click", (event) => event.target.closest("[data-go-on]") && leaveAfter());

/* "I agree" or "I stand by mine" goes the same sure way as an answer. */
panel.addEventListener("submit", (event) => {
  event.preventDefault();
  const fields = [...new FormData(event.target, event.submitter)].filter(([name]) => name !== "csrfmiddlewaretoken");
  outbox.add({ kind: "second-look", to: "secondLook", comparison: null, fields });
  leaveAfter();
});
