/* A file is read here, in the browser, into the text field beside it; the server takes no files. */
document.addEventListener("DOMContentLoaded", () => {
  for (const chooser of document.querySelectorAll("[data-reads-into]")) {
    const text = document.getElementById(chooser.dataset.readsInto);
    chooser.closest("[hidden]").hidden = false;
    chooser.addEventListener("change", async () => {
      const file = chooser.files[0];
      if (file) text.value = await file.text();
    });
  }
});
