/* After the list of criteria was drawn anew, go on in the criterion that was added, or beside the one taken out. */
document.addEventListener("htmx:afterSettle", () => {
  const next = document.querySelector("[data-focus]");
  if (!next) return;
  next.removeAttribute("data-focus");
  next.focus();
});
