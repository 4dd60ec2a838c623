/* One item's form: reading and restoring what was filled in, and what is still missing.

   The form's own controls are the truth; the ranking board and the comments on spans draw what is in them. */
import { say } from "./page.js";

const NOT_THE_ANSWER = new Set(["csrfmiddlewaretoken", "submission_id", "seconds", "skip", "submit"]);

export const comparisonOf = (form) => form.dataset.comparison;

/* What was filled in, as [name, value] pairs. */
export function fieldsOf(form) {
  return [...new FormData(form)].filter(([name]) => !NOT_THE_ANSWER.has(name));
}

export function restore(form, fields) {
  const values = new Map();
  for (const [name, value] of fields) values.set(name, [...(values.get(name) ?? []), value]);
  for (const control of form.elements) {
    if (!control.name || NOT_THE_ANSWER.has(control.name) || ["comparison", "shown"].includes(control.name)) continue;
    const given = values.get(control.name) ?? [];
    if (control.type === "radio" || control.type === "checkbox") control.checked = given.includes(control.value);
    else control.value = given[0] ?? "";
  }
  form.dataset.touched = "";
  form.dispatchEvent(new CustomEvent("restored"));
}

export const isTouched = (form) => "touched" in form.dataset;

/* A form that asks for the choice alone: its key, or a click on it, is the whole answer. */
export function isQuick(form) {
  const choice = form.querySelector(".choice");
  return Boolean(choice) && !form.querySelector(".score, .ranking, [name=rationale][required]");
}

/* The parts of the form in their order, each a place where "next field" stops. */
export function partsOf(form) {
  return [...form.querySelectorAll(".score, .ranking, .choice, .rationale")];
}

/* The first part that misses something, with the sentence that says so; null where the answer is whole. */
export function missing(form) {
  for (const part of partsOf(form)) {
    const control = [...part.querySelectorAll("input, textarea")].find((one) => !one.checkValidity());
    if (control) return { part, sentence: sentenceFor(part) };
  }
  return null;
}

function sentenceFor(part) {
  if (part.matches(".ranking")) return say("missing-rank");
  if (part.matches(".score")) return say("missing-score", { name: part.dataset.name ?? "" });
  return part.matches(".rationale") ? say("missing-rationale") : say("missing-choice");
}

/* The sentence stands in the part until it is filled in. */
export function complain(part, sentence) {
  part.querySelector(":scope > .missing")?.remove();
  const line = document.createElement("p");
  line.className = "missing";
  line.textContent = sentence;
  part.append(line);
  part.dataset.invalid = "";
  part.addEventListener("input", () => void (line.remove(), delete part.dataset.invalid), { once: true });
  focusPart(part);
}

export function focusPart(part) {
  const control =
    part.querySelector("input:checked, textarea") ?? part.querySelector("button:not([disabled]), input:not([hidden])");
  control?.focus({ preventScroll: true });
  part.scrollIntoView({ block: "nearest" });
}

export function freeze(form, frozen) {
  form.classList.toggle("is-answered", frozen);
  form.inert = frozen;
}
