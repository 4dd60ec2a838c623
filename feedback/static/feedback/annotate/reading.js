/* How the texts are read: rendered or raw, the words in which two responses differ, both sides scrolled together. */
import { drawMath } from "../math.js";
import { announce, choose, chosen, say } from "./page.js";

const views = { raw: false, differences: false };
let worker = null;
let asked = 0;

export const button = (name) => document.querySelector(`[data-tool="${name}"]`);

export function setUpReading() {
  button("raw").addEventListener("click", () => toggle("raw"));
  button("differences").addEventListener("click", () => toggle("differences"));
  button("together").addEventListener("click", () => together(chosen("together", "on") !== "on"));
  for (const select of document.querySelectorAll("[data-difference-of]")) select.addEventListener("change", () => draw(shownItem()));
  together(chosen("together", "on") === "on");
}

const shownItem = () => document.querySelector("#item form.item");

/* Formulas are drawn while the item still waits to be shown. */
export const setUpTexts = (form) => drawMath(form);

/* Each item starts as it is meant to be read; raw or rendered stays as it was. */
export function showTexts(form) {
  views.differences = false;
  fillSides(form);
  draw(form);
}

function toggle(name) {
  views[name] = !views[name];
  if (views[name]) views[name === "raw" ? "differences" : "raw"] = false;
  draw(shownItem());
}

export function showRaw() {
  if (!views.raw) toggle("raw");
}

export function draw(form) {
  button("raw").setAttribute("aria-pressed", views.raw);
  button("differences").setAttribute("aria-pressed", views.differences);
  document.getElementById("difference-sides").hidden = !views.differences || !form || form.dataset.responses < 3;
  if (!form) return;
  for (const response of form.querySelectorAll(".response")) {
    response.querySelector(".differences")?.remove();
    response.querySelector(".raw").hidden = !views.raw;
    response.querySelector(".prose").hidden = views.raw;
  }
  if (views.differences) compare(form);
}

function together(on) {
  choose("together", on ? "on" : "off");
  button("together").setAttribute("aria-pressed", on);
  document.getElementById("workspace").classList.toggle("scrolls-apart", !on);
  for (const response of document.querySelectorAll("#item .response")) reachable(response, !on);
}

/* A text that scrolls by itself must be reachable by keys. */
function reachable(response, alone) {
  if (alone) response.tabIndex = 0;
  else response.removeAttribute("tabindex");
}

/* the differences */
const sides = () => [...document.querySelectorAll("[data-difference-of]")];

function fillSides(form) {
  const letters = [...form.querySelectorAll(".response .letter")].map((letter) => letter.textContent);
  sides().forEach((select, side) => {
    select.replaceChildren(...letters.map((letter, place) => new Option(letter, place, false, place === side)));
  });
  for (const response of form.querySelectorAll(".response")) reachable(response, chosen("together", "on") !== "on");
}

async function compare(form) {
  const pair = sides().map((select) => form.querySelector(`.response[data-place="${select.value}"]`));
  const [left, right] = pair.map((response) => response.querySelector(".raw").textContent);
  const id = (asked += 1);
  const found = await differences(id, left, right);
  if (id !== asked || !views.differences || shownItem() !== form) return;
  if (!found) {
    views.differences = false;
    announce(say("too-different"));
    draw(form);
    return;
  }
  pair.forEach((response, side) => response.querySelector(".prose").after(viewOf(found[side], side)));
  for (const response of pair) response.querySelector(".prose").hidden = true;
}

function differences(id, left, right) {
  worker ??= new Worker(new URL("words-worker.js", import.meta.url), { type: "module" });
  return new Promise((resolve) => {
    const listen = ({ data }) => {
      if (data.id !== id) return;
      worker.removeEventListener("message", listen);
      resolve(data.sides);
    };
    worker.addEventListener("message", listen);
    worker.postMessage({ id, left, right });
  });
}

function viewOf(runs, side) {
  const view = document.createElement("div");
  view.className = "differences";
  view.dir = "auto";
  for (const [text, differs] of runs) {
    const part = differs ? document.createElement(side === 0 ? "del" : "ins") : document.createTextNode("");
    part.textContent = text;
    view.append(part);
  }
  return view;
}
