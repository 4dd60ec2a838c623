/* The ranking as a board: drag, keys or buttons put responses in order, and equal ranks are a switch on the row.

   The number fields of the form stay the truth, so that the same form works without this script. Nothing is ranked
   at the start: an order that nobody chose is no answer. */
import { announce, say } from "./page.js";

let sortable = null;

export function setUpRanking(form) {
  const field = form.querySelector(".ranking");
  if (!field || field.querySelector(".board")) return;
  const board = document.getElementById("board").content.firstElementChild.cloneNode(true);
  field.append(board);
  field.classList.add("has-board");
  const rows = [...field.querySelectorAll(".rank")].map((rank) => makeRow(form, rank));
  board.querySelector(".board-rest").append(...rows);
  draw(field);
  form.addEventListener("restored", () => draw(field));
  board.addEventListener("click", (event) => act(field, event.target.closest("[data-do]")));
  board.addEventListener("keydown", (event) => moveByKey(field, event));
  makeDraggable(field);
}

function makeRow(form, rank) {
  const row = document.getElementById("board-row").content.firstElementChild.cloneNode(true);
  const { place } = rank.dataset;
  const letter = form.querySelector(`.response[data-place="${place}"] .letter`).textContent;
  const text = form.querySelector(`.response[data-place="${place}"] .raw`).textContent;
  row.dataset.place = place;
  row.dataset.letter = letter;
  row.querySelector(".letter").textContent = letter;
  row.querySelector(".board-text").textContent = text.slice(0, 160);
  row.querySelector(".board-place").dataset.key = String(Number(place) + 1);
  row.querySelector(".board-place kbd").textContent = String(Number(place) + 1);
  row.querySelector("[data-which]").textContent = say("response", { letter });
  for (const button of row.querySelectorAll("[data-label]")) {
    button.setAttribute("aria-label", say(button.dataset.label, { letter }));
  }
  return row;
}

const inputOf = (field, row) => field.querySelector(`[name="rank_${row.dataset.place}"]`);
const rankedRows = (field) => [...field.querySelectorAll(".board-ranked > .board-row")];
const rowOf = (field, place) => field.querySelector(`.board-row[data-place="${place}"]`);

/* From the number fields to the board. */
function draw(field) {
  const rows = [...field.querySelectorAll(".board-row")].sort((a, b) => a.dataset.place - b.dataset.place);
  const ranked = rows.filter((row) => inputOf(field, row).value);
  ranked.sort((a, b) => inputOf(field, a).value - inputOf(field, b).value);
  ranked.forEach((row, index) => {
    row.dataset.equal = index > 0 && inputOf(field, row).value === inputOf(field, ranked[index - 1]).value;
  });
  field.querySelector(".board-ranked").append(...ranked);
  field.querySelector(".board-rest").append(...rows.filter((row) => !ranked.includes(row)));
  label(field);
}

/* From the board to the number fields: ranks without gaps. */
function store(field) {
  let rank = 0;
  for (const row of field.querySelectorAll(".board-rest > .board-row")) inputOf(field, row).value = "";
  rankedRows(field).forEach((row, index) => {
    if (index === 0) row.dataset.equal = false;
    if (row.dataset.equal !== "true") rank += 1;
    inputOf(field, row).value = rank;
  });
  label(field);
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

function label(field) {
  const ranked = rankedRows(field);
  for (const row of field.querySelectorAll(".board-row")) {
    const rank = inputOf(field, row).value;
    const at = ranked.indexOf(row);
    const { letter } = row.dataset;
    row.querySelector(".board-rank").textContent = rank;
    row.setAttribute("aria-label", rank ? say("ranked-at", { letter, rank }) : say("unranked", { letter }));
    for (const button of row.querySelectorAll("[data-do]:not(.board-place)")) button.hidden = at < 0;
    row.querySelector(".board-place").hidden = at >= 0;
    row.querySelector('[data-do="up"]').disabled = at <= 0;
    row.querySelector('[data-do="down"]').disabled = at === ranked.length - 1;
    row.querySelector('[data-do="equal"]').disabled = at <= 0;
    row.querySelector('[data-do="equal"]').setAttribute("aria-pressed", row.dataset.equal === "true");
    const badge = field.form.querySelector(`.response[data-place="${row.dataset.place}"] .rank-badge`);
    if (badge) badge.textContent = rank;
  }
  field.querySelector(".board-rest").hidden = ranked.length === field.querySelectorAll(".board-row").length;
}

function act(field, button) {
  if (!button) return;
  const row = button.closest(".board-row");
  if (button.dataset.do === "place") placeNext(field, row.dataset.place);
  else if (button.dataset.do === "equal") setEqual(field, row, row.dataset.equal !== "true");
  else if (button.dataset.do === "out") moveTo(field, row, null);
  else move(field, row, button.dataset.do === "up" ? -1 : 1);
  // The button may be gone or resting now; whoever works by keys stays at the same response.
  if (!button.isConnected || button.hidden || button.disabled) row.focus({ preventScroll: true });
}

function moveByKey(field, event) {
  const row = event.target.closest(".board-row");
  const steps = { ArrowUp: -1, ArrowDown: 1 };
  if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key in steps) move(field, row, steps[event.key]);
  else if (event.key === "Backspace" || event.key === "Delete") moveTo(field, row, null);
  else if (event.key === "Enter" && event.target === row) placeNext(field, row.dataset.place);
  else return;
  row.focus({ preventScroll: true });
  event.preventDefault();
}

/* The next response from best to worst, by its place as shown; a whole ranking starts again. */
export function placeNext(field, place) {
  const row = rowOf(field, place);
  if (!row) return;
  if (field.querySelector(".board-rest").hidden) {
    for (const each of rankedRows(field)) {
      each.dataset.equal = false;
      field.querySelector(".board-rest").append(each);
    }
  }
  row.dataset.equal = field.dataset.equalNext === "true";
  delete field.dataset.equalNext;
  moveTo(field, row, rankedRows(field).filter((each) => each !== row).length);
}

/* "=": the response placed last shares its rank with the one above, or, before the next is placed, that one will. */
export function equalNext(field) {
  field.dataset.equalNext = "true";
  announce(say("equal-next"));
}

function move(field, row, step) {
  const ranked = rankedRows(field);
  const at = ranked.indexOf(row);
  if (at < 0) return placeNext(field, row.dataset.place);
  if (ranked[at + step]) moveTo(field, row, at + step);
}

function moveTo(field, row, index) {
  if (index === null) {
    row.dataset.equal = false;
    field.querySelector(".board-rest").append(row);
  } else {
    const others = rankedRows(field).filter((each) => each !== row);
    if (row.parentElement.matches(".board-ranked")) row.dataset.equal = false;
    field.querySelector(".board-ranked").insertBefore(row, others[index] ?? null);
  }
  store(field);
  announce(row.getAttribute("aria-label"));
}

function setEqual(field, row, equal) {
  row.dataset.equal = equal;
  store(field);
  announce(row.getAttribute("aria-label"));
}

async function makeDraggable(field) {
  sortable ??= import("../../vendor/sortable-1.15.7.min.js");
  await sortable;
  for (const list of field.querySelectorAll(".board-list")) {
    new self.Sortable(list, {
      group: `board-${field.form.dataset.comparison}`,
      draggable: ".board-row",
      filter: "button",
      preventOnFilter: false,
      forceFallback: true,
      fallbackTolerance: 4,
      animation: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 120,
      onEnd({ item }) {
        item.dataset.equal = false;
        store(field);
        announce(item.getAttribute("aria-label"));
      },
    });
  }
}
