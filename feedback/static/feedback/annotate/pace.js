/* The time an item was really looked at, and one gentle word where nobody could have read so fast. */
import { page } from "./page.js";

const FASTEST = 12; // words a second: three times quick reading, so skimming is no offence
const SHORT = 30; // words; below this a glance is enough

let watched = 0; // milliseconds on a visible page, before `since`
let since = performance.now();

export function restart() {
  watched = 0;
  since = performance.now();
}

export function seconds() {
  return (watched + (document.hidden ? 0 : performance.now() - since)) / 1000;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) watched += performance.now() - since;
  else since = performance.now();
});

/* True once in this window for a person: not said again and again. */
export function tooQuick(form, taken) {
  const words = Number(form.dataset.words) || 0;
  if (words < SHORT || taken >= words / FASTEST) return false;
  const name = `annotate.quick:${page.owner}`;
  try {
    if (sessionStorage.getItem(name)) return false;
    sessionStorage.setItem(name, "said");
  } catch {
    if (page.root.dataset.quickSaid) return false;
  }
  page.root.dataset.quickSaid = "yes";
  return true;
}
