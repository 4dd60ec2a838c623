/* Keys: each control says its own with data-key; digits go to where the focus is. They rest while somebody writes.

   Everything listens on the document from the start, so that there is no moment in which an item has no keys. */
import { isAfter, leaveAfter } from "./after.js";
import { focusPart, isQuick, partsOf } from "./item.js";
import { singleKeys } from "../single_keys.js";
import { announce, choose, chosen, page, say } from "./page.js";
import { equalNext, placeNext } from "./ranking.js";
import { comment } from "./spans.js";
import { shown, submit } from "./workspace.js";

const NO_TEXT = "[type=radio], [type=checkbox], [type=button], [type=submit], [type=hidden]";

export function writing(element) {
  if (!(element instanceof Element)) return false;
  return element.matches(`textarea, select, input:not(${NO_TEXT}), [contenteditable]`);
}

export const quickly = () => chosen("quick", "on") === "on";

export function setUpKeys() {
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", onClick);
  document.addEventListener("focusin", ({ target }) => showAnchor(target));
  document.addEventListener("change", ({ target }) => showAnchor(target));
}

function onKey(event) {
  if (event.isComposing || event.defaultPrevented) return;
  const dialog = document.querySelector("dialog[open]");
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) return finish(event, dialog);
  if (event.key === "Enter" && event.target.matches("form.item input")) return event.preventDefault(); // never a bare Enter
  if (dialog || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") return leave(event.target);
  if (event.repeat || !singleKeys() || writing(event.target)) return;
  if (press(event.key)) event.preventDefault();
}

function finish(event, dialog) {
  event.preventDefault();
  if (event.repeat) return;
  if (dialog) dialog.querySelector("form:not([method=dialog])")?.requestSubmit();
  else if (isAfter()) leaveAfter();
  else if (shown()) submit(shown());
}

/* Escape leaves a field or a menu, and gives the keys back to the item. */
function leave(target) {
  const menu = document.querySelector("details.drop[open]");
  if (menu) menu.open = false;
  if (menu || writing(target) || target.closest(".score, .ranking")) shown()?.focus({ preventScroll: true });
}

function press(key) {
  const form = shown();
  const menu = document.querySelector("details.drop[open]");
  if (menu && pressIn(menu, key)) return true;
  if (isAfter()) return pressIn(document.getElementById("after"), key) || pressIn(page.root.querySelector(".tools"), key);
  if (form && pressInItem(form, key)) return true;
  return pressIn(document, key);
}

function pressInItem(form, key) {
  if (/^[0-9]$/.test(key)) return digit(form, Number(key));
  if (key === "n" || key === "N") return nextPart(form, key === "n" ? 1 : -1);
  if (/^[A-I]$/.test(key)) return toResponse(form, key.charCodeAt(0) - 65);
  if (key === "=" && form.querySelector(".ranking")) return equalNext(form.querySelector(".ranking")), true;
  if (key === "c" && form.elements.spans) return comment(form), true;
  return pressIn(form, key);
}

function pressIn(place, key) {
  const control = [...place.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].find((one) => one.checkVisibility());
  if (!control) return false;
  if (control.matches("textarea")) control.focus();
  else control.click();
  if (control.matches("summary") && control.parentElement.open) control.focus();
  if (control.matches(".choice input")) chose(shown());
  return true;
}

/* A digit is a level where a score has the focus, else a place in the ranking, else the choice. */
function digit(form, number) {
  const score = document.activeElement.closest?.(".score");
  if (score) return setLevel(form, score, String(number));
  const field = form.querySelector(".ranking");
  if (field && number > 0 && number <= Number(form.dataset.responses)) return placeNext(field, number - 1), true;
  const choice = form.querySelector(".choice");
  return Boolean(choice) && pressIn(choice, String(number));
}

function setLevel(form, score, key) {
  const level = score.querySelector(`input[data-key="${key}"]`);
  if (!level) return false;
  level.click();
  nextPart(form, 1);
  return true;
}

function nextPart(form, step) {
  const parts = partsOf(form);
  const at = parts.findIndex((part) => part.contains(document.activeElement));
  const next = parts[at < 0 ? (step > 0 ? 0 : parts.length - 1) : at + step];
  if (next) focusPart(next);
  else form.focus({ preventScroll: true });
  return true;
}

function toResponse(form, place) {
  const row = form.querySelector(`.board-row[data-place="${place}"]`);
  const score = form.querySelector(`.response[data-place="${place}"] .score`);
  if (!row && !score) return false;
  if (row) row.focus();
  else focusPart(score);
  return true;
}

/* One key, or one click, is the whole answer where the form asks for the choice alone. */
function chose(form) {
  if (form && isQuick(form) && quickly()) submit(form);
}

function onClick(event) {
  const skip = event.target.closest("form.item [name=skip]");
  if (skip && skip.value !== "1") return event.preventDefault(), submit(shown(), skip.value);
  const option = event.target.closest(".choice .option");
  // detail 1: a real, single click; the second of a double click must not answer the next item.
  if (option && event.detail === 1 && !event.target.matches("input")) setTimeout(() => chose(option.closest("form.item")));
  if (event.target.closest("[data-tool=quick]")) setQuick(!quickly());
}

export function setQuick(on) {
  choose("quick", on ? "on" : "off");
  page.root.classList.toggle("is-quick", on);
  for (const button of document.querySelectorAll("[data-tool=quick]")) button.setAttribute("aria-pressed", on);
  announce(say(on ? "quick-on" : "quick-off"));
}

/* The anchor of the level at hand. */
function showAnchor(target) {
  const score = target.closest?.(".score");
  if (!score || !target.dataset.anchor) return;
  score.querySelector(".anchor").textContent = target.dataset.anchor;
}
