/* Comparisons that this person holds are kept theirs while they work, and given back when they leave. */
import { isTouched, comparisonOf } from "./item.js";
import { post } from "./line.js";
import { page } from "./page.js";

const left = `annotate.left:${page.owner}`; // what the page before this one gave back, in this window
let used = Date.now();
let beaten = Date.now();

/* `forms()` are the items at hand, the shown one first; `again()` loads them anew. */
export function setUpLeases(forms, again) {
  for (const event of ["keydown", "pointerdown", "wheel", "touchstart"]) {
    addEventListener(event, () => use(forms), { passive: true, capture: true });
  }
  setInterval(() => Date.now() - used < page.lease && beat(forms()), page.lease / 3);
  addEventListener("pagehide", () => giveBack(forms()));
  addEventListener("pageshow", (event) => event.persisted && again());
}

/* Somebody who comes back to a page left for long says so at once, not with the next beat. */
function use(forms) {
  used = Date.now();
  if (used - beaten > page.lease / 3) beat(forms());
}

function beat(forms) {
  beaten = Date.now();
  if (forms.length) post(page.urls.heartbeat, [["held", forms.map(comparisonOf).join(",")]]);
}

function giveBack(forms) {
  const ids = forms.filter((form) => !isTouched(form)).map(comparisonOf);
  if (!ids.length) return;
  const body = new URLSearchParams({ csrfmiddlewaretoken: page.csrf, person: page.person, held: ids.join(",") });
  navigator.sendBeacon(page.urls.release, body);
  try {
    sessionStorage.setItem(left, ids.join(","));
  } catch {
    /* then a reload shows an item whose lease is to be taken again by its answer */
  }
}

/* On a reload the server chose this page's item before the page before it gave it back: what it gave back is taken
   again, so that nobody works on what is not theirs. */
export function wasGivenBack(form) {
  try {
    const ids = (sessionStorage.getItem(left) ?? "").split(",");
    sessionStorage.removeItem(left);
    return ids.includes(comparisonOf(form));
  } catch {
    return false;
  }
}
