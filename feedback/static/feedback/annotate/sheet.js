/* The sheet of keys, made from the controls that are on the page now. */
import { isQuick } from "./item.js";
import { say } from "./page.js";
import { quickly } from "./keys.js";
import { shown } from "./workspace.js";

const sheet = document.getElementById("keys");

export function setUpSheet() {
  document.querySelector("[data-tool=keys]").addEventListener("click", open);
}

function open() {
  const rows = [...whatTheItemHas(), ...controls()];
  sheet.querySelector("dl").replaceChildren(...rows.map(([keys, words]) => row(keys, words)));
  const form = shown();
  sheet.querySelector("[data-quick-choice]").hidden = !form || !isQuick(form);
  sheet.showModal();
}

/* What is more than pressing one control. */
function whatTheItemHas() {
  const form = shown();
  if (!form) return [];
  const rows = [];
  if (isQuick(form) && quickly()) rows.push([[], say("key-quick")]);
  if (form.querySelector(".ranking")) {
    rows.push([["1", "…", form.dataset.responses], say("key-rank")], [["="], say("key-equal")], [["↑", "↓"], say("key-move")]);
  }
  if (form.querySelector(".score")) rows.push([["1", "…", "9"], say("key-level")]);
  if (form.querySelector(".score, .ranking")) rows.push([["⇧A", "⇧B"], say("key-response")]);
  if (form.elements.spans) rows.push([["c"], say("key-comment")]);
  rows.push([["n"], say("key-next")], [["⇧N"], say("key-previous")], [["Esc"], say("key-leave")]);
  return rows;
}

function controls() {
  const rows = new Map();
  for (const control of document.querySelectorAll("#workspace [data-key]")) {
    if (!control.checkVisibility() || control.closest(".score, .board, .drop-body") || rows.has(control.dataset.key)) continue;
    rows.set(control.dataset.key, [control.dataset.key.split("+"), labelOf(control)]);
  }
  return rows.values();
}

function labelOf(control) {
  if (control.dataset.words) return control.dataset.words;
  const source = control.matches("input, textarea") ? control.labels[0] : control;
  const copy = source.cloneNode(true);
  for (const part of copy.querySelectorAll("kbd, .visually-hidden")) part.remove();
  return copy.textContent.trim().replace(/\s+/g, " ");
}

function row(keys, words) {
  const line = document.createElement("div");
  const [term, meaning] = [document.createElement("dt"), document.createElement("dd")];
  for (const key of keys) {
    const cap = document.createElement(key === "…" ? "span" : "kbd");
    cap.textContent = key;
    term.append(cap, " ");
  }
  meaning.textContent = words;
  line.append(term, meaning);
  return line;
}
