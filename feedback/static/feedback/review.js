/* The reviewers' keys. Every key stands on what it does: data-key names it, several with spaces between.
   A link is followed, a box ticked or chosen, a text field entered, its <details> opened. Without this file all of it
   works with the mouse and Tab. */
import { singleKeys } from "./single_keys.js";

const typing = (element) => element.closest("textarea, select, [contenteditable], input:not([type=radio], [type=checkbox])");

function use(target) {
  const fold = target.closest("details");
  if (fold) fold.open = true;
  if (target.matches("a, button, input[type=radio], input[type=checkbox]")) target.click();
  if (!target.matches("a, button")) target.focus();
}

function moveInList(key) {
  const rows = [...document.querySelectorAll("a[data-row]")];
  const step = { j: 1, k: -1 }[key];
  if (!rows.length || !step) return;
  const place = rows.indexOf(document.activeElement);
  rows[Math.min(rows.length - 1, Math.max(0, place + step))].focus();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    const form = event.target.closest("main form[method=post]") ?? document.querySelector("[data-decide]");
    form?.requestSubmit();
    event.preventDefault();
    return;
  }
  if (event.key === "Escape" && typing(event.target)) event.target.blur();
  if (!singleKeys() || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  const target = [...document.querySelectorAll("[data-key]")].find((one) => one.dataset.key.split(" ").includes(event.key));
  if (target) {
    use(target);
    event.preventDefault();
  } else {
    moveInList(event.key);
  }
});
