/* Says before a file is sent that the server will not take it: told while it is sent, a browser may only show that the
   connection was lost. */
const field = document.querySelector("input[type=file][data-most]");
const told = document.getElementById("file-error");

field.addEventListener("change", () => {
  const large = [...field.files].some((file) => file.size > Number(field.dataset.most));
  field.setCustomValidity(large ? told.textContent.trim() : "");
  field.setAttribute("aria-invalid", String(large));
  told.hidden = !large;
});
