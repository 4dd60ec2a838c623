/* The annotator's workspace. The forms work without any of this; with it, no answer waits for the server and none is
   lost on its way. Nothing here replaces the page, so a listener on the document lasts as long as the work. */
import { setUpBanner } from "./banner.js";
import { dropOld } from "./drafts.js";
import { quickly, setQuick, setUpKeys } from "./keys.js";
import { setUpLeases, wasGivenBack } from "./lease.js";
import { sendNow } from "./outbox.js";
import { choose, chosen, page } from "./page.js";
import { setUpReading } from "./reading.js";
import { setUpSheet } from "./sheet.js";
import { begin, held, shown, startAgain, submit, undo } from "./workspace.js";

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form.item")) return;
  event.preventDefault();
  submit(event.target);
});
document.querySelector("[data-tool=undo]").addEventListener("click", (event) => {
  event.preventDefault();
  undo();
});

function setUpGuidelines() {
  const guidelines = document.getElementById("guidelines");
  if (!guidelines) return;
  // Beside the work where there is room; a sheet over it opens only when asked for.
  guidelines.open = matchMedia("(min-width: 75rem)").matches && chosen("guidelines", "open") === "open";
  const tool = document.querySelector("[data-tool=guidelines]");
  const turn = (open) => {
    guidelines.open = open;
    choose("guidelines", open ? "open" : "closed");
    if (!open) tool.focus({ preventScroll: true });
  };
  tool.addEventListener("click", () => turn(!guidelines.open));
  guidelines.querySelector("[data-close]").addEventListener("click", () => turn(false));
  guidelines.addEventListener("toggle", () => tool.setAttribute("aria-expanded", guidelines.open));
  tool.setAttribute("aria-expanded", guidelines.open);
}

/* Only one of the menus is open, and none after a click elsewhere. */
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.drop[open]")) if (!menu.contains(event.target)) menu.open = false;
});

page.root.classList.add("has-script");
setUpKeys();
setUpReading();
setUpSheet();
setUpGuidelines();
setUpBanner(sendNow);
setUpLeases(held, startAgain);
page.root.classList.toggle("is-quick", quickly());
for (const button of document.querySelectorAll("[data-tool=quick]")) button.setAttribute("aria-pressed", quickly());
dropOld();
const first = document.querySelector("#item form.item");
begin(first, Boolean(first) && wasGivenBack(first));
