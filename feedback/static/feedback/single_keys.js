/* Keys of one character, which a person may switch off on every page that has them: speech input and unsteady hands set
   them off by accident (WCAG 2.1.4). Ctrl+Enter and Escape stay. The choice is the browser's. */
const NAME = "single-keys";
let on = kept() !== "off";

export const singleKeys = () => on;

function kept() {
  try {
    return localStorage.getItem(NAME);
  } catch {
    return null; // storage may be forbidden: the choice then lasts for the page
  }
}

function show() {
  document.documentElement.classList.toggle("no-single-keys", !on);
  for (const button of document.querySelectorAll("[data-single-keys]")) {
    button.hidden = false;
    button.setAttribute("aria-pressed", String(on));
  }
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-single-keys]")) return;
  on = !on;
  try {
    localStorage.setItem(NAME, on ? "on" : "off");
  } catch {
    /* as above */
  }
  show();
});
show();
