/* Comments on words of a response. They are kept in the form's hidden field as
   [{place, start, end, comment}], start and end in code points of the exact text. */
import { announce, say } from "./page.js";
import { findVerbatim, markText, toCodePoints, toUnits, unfold, unmark } from "./passages.js";

const editor = document.getElementById("span-editor");
const whole = editor.querySelector("[data-span-text]");
const words = editor.querySelector("[name=comment]");
let open = null; // {form, response, index} of the comment in the editor; index -1 for a new one

const exactOf = (response) => response.querySelector(".raw").textContent;
const read = (form) => JSON.parse(form.elements.spans.value || "[]");

export function setUpSpans(form) {
  if (!form.elements.spans) return;
  form.addEventListener("restored", () => draw(form));
  form.addEventListener("click", (event) => {
    const mark = event.target.closest("[data-span]");
    const button = event.target.closest("[data-comment]");
    if (mark && getSelection().isCollapsed) edit(form, Number(mark.dataset.span));
    else if (button) comment(form, button.closest(".response"));
  });
  draw(form);
}

/* A comment on the selected words, or, where nothing is selected, on words to be chosen in the editor. */
export function comment(form, response) {
  if (!form.elements.spans) return;
  const selection = getSelection();
  const within = selection.isCollapsed ? null : responseAround(selection);
  if (!within) return show(form, response ?? focusedResponse(form), -1, null, "");
  const place = within.querySelector(".raw").hidden ? placeInProse(within, selection) : placeInRaw(within, selection);
  show(form, within, -1, place, "", place === null);
}

function responseAround(selection) {
  const at = (node) => (node.nodeType === Node.TEXT_NODE ? node.parentElement : node)?.closest?.(".response");
  const range = selection.getRangeAt(0);
  const response = at(range.startContainer);
  return response && response === at(range.endContainer) ? response : null;
}

const focusedResponse = (form) => document.activeElement.closest?.(".response") ?? form.querySelector(".response");

function textBefore(element, range) {
  const before = range.cloneRange();
  before.selectNodeContents(element);
  before.setEnd(range.startContainer, range.startOffset);
  return before.toString();
}

function placeInRaw(response, selection) {
  const range = selection.getRangeAt(0);
  const raw = response.querySelector(".raw");
  if (!raw.contains(range.commonAncestorContainer)) return null;
  const start = textBefore(raw, range).length;
  return { start, end: start + range.toString().length };
}

function placeInProse(response, selection) {
  const range = selection.getRangeAt(0);
  const prose = response.querySelector(".prose");
  if (!prose.contains(range.commonAncestorContainer)) return null;
  return findVerbatim(exactOf(response), prose.textContent, range.toString(), textBefore(prose, range));
}

function edit(form, index) {
  const span = read(form)[index];
  const response = form.querySelector(`.response[data-place="${span.place}"]`);
  const text = exactOf(response);
  show(form, response, index, { start: toUnits(text, span.start), end: toUnits(text, span.end) }, span.comment);
}

/* the editor */
function show(form, response, index, place, comment, notVerbatim = false) {
  open = { form, response, index, text: exactOf(response), place };
  const letter = response.querySelector(".letter").textContent;
  editor.querySelector("h2").textContent = say("span-title", { letter });
  editor.querySelector("[data-not-verbatim]").hidden = !notVerbatim;
  editor.querySelector("[data-span-remove]").hidden = index < 0;
  editor.querySelector("details").open = place === null;
  words.value = comment;
  whole.value = open.text;
  quote();
  editor.showModal();
  (place ? words : whole).focus();
}

function quote() {
  const { text, place } = open;
  editor.querySelector("blockquote").textContent = place ? text.slice(place.start, place.end) : "";
  editor.querySelector("blockquote").hidden = !place;
}

function choosePart() {
  if (!open || whole.selectionStart === whole.selectionEnd) return;
  open.place = { start: unfold(open.text, whole.selectionStart), end: unfold(open.text, whole.selectionEnd) };
  quote();
}
for (const event of ["select", "keyup", "pointerup"]) whole.addEventListener(event, choosePart);
// In a field that is read only, keys select nothing; this one takes no change instead.
whole.addEventListener("beforeinput", (event) => event.preventDefault());

editor.addEventListener("submit", (event) => {
  event.preventDefault();
  const { form, response, index, text, place } = open;
  const comment = words.value.trim();
  if (!place) return whole.focus();
  if (!comment) return words.focus();
  const span = {
    place: Number(response.dataset.place),
    start: toCodePoints(text, place.start),
    end: toCodePoints(text, place.end),
    comment,
  };
  write(form, index < 0 ? [...read(form), span] : read(form).with(index, span));
  announce(say("span-kept"));
  editor.close();
});

editor.querySelector("[data-span-remove]").addEventListener("click", () => {
  write(open.form, read(open.form).toSpliced(open.index, 1));
  announce(say("span-removed"));
  editor.close();
});
editor.querySelector("[data-span-cancel]").addEventListener("click", () => editor.close());
editor.addEventListener("close", () => {
  open?.response.querySelector("[data-comment]")?.focus({ preventScroll: true });
  open = null;
});

function write(form, spans) {
  form.elements.spans.value = JSON.stringify(spans);
  getSelection().removeAllRanges();
  draw(form);
  form.elements.spans.dispatchEvent(new Event("input", { bubbles: true }));
}

/* the marks, and the list under each response */
function draw(form) {
  const spans = read(form);
  for (const response of form.querySelectorAll(".response")) {
    const own = spans.map((span, index) => ({ ...span, index })).filter((span) => span.place === Number(response.dataset.place));
    unmark(response.querySelector(".raw"));
    unmark(response.querySelector(".prose"));
    for (const span of own) markSpan(response, span);
    response.querySelector(".comments")?.remove();
    if (own.length) response.querySelector(".response-text").after(listOf(response, own));
  }
}

function markSpan(response, span) {
  const text = exactOf(response);
  const [start, end] = [toUnits(text, span.start), toUnits(text, span.end)];
  const prose = response.querySelector(".prose");
  const shown = findVerbatim(prose.textContent, text, text.slice(start, end), text.slice(0, start));
  const marks = markText(response.querySelector(".raw"), start, end);
  if (shown) marks.push(...markText(prose, shown.start, shown.end));
  for (const mark of marks) {
    mark.dataset.span = span.index;
    mark.title = span.comment;
  }
}

function listOf(response, spans) {
  const list = document.getElementById("comments").content.firstElementChild.cloneNode(true);
  const text = [...exactOf(response)];
  for (const span of spans) {
    const entry = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "comment";
    button.dataset.span = span.index;
    const quoted = document.createElement("q");
    quoted.textContent = text.slice(span.start, span.end).join("").slice(0, 80);
    button.append(quoted, " ", span.comment);
    entry.append(button);
    list.querySelector("ul").append(entry);
  }
  return list;
}
