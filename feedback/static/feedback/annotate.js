/* The annotator's keys, the timer, and the care that no answer is lost on its way to the server.

   The forms work without this file. Here each answer gets a submission id of its own, so that sending it twice stores
   it once; an answer that did not arrive stays chosen on the page until it is sent again. */
(() => {
  const workspace = () => document.getElementById("workspace");
  const unsent = () => document.getElementById("unsent");
  let pending = null; // {button, answer, status} of an answer that did not arrive
  let sending = null; // the same while it is on its way
  let watched = 0; // milliseconds the item was on a visible page, before `since`
  let since = performance.now();

  function newId() {
    if (crypto.randomUUID) return crypto.randomUUID(); // only over https and on localhost
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  }

  function seconds() {
    return ((watched + (document.hidden ? 0 : performance.now() - since)) / 1000).toFixed(1);
  }

  function startItem() {
    watched = 0;
    since = performance.now();
    pending = null;
    unsent().hidden = true;
    const id = workspace().querySelector("[name=submission_id]");
    if (id) id.value = newId();
    for (const button of workspace().querySelectorAll("[data-help]")) button.hidden = false;
  }

  function announce() {
    const text = (selector) => workspace().querySelector(selector)?.textContent.trim() ?? "";
    const counts = `${text("[data-done]")} done, ${text("[data-left]")} left.`;
    document.getElementById("announcement").textContent = `${workspace().dataset.said} ${counts}`;
  }

  /* what is sent */
  function answerOf(form, button) {
    const data = new FormData(form);
    for (const name of ["csrfmiddlewaretoken", "submission_id", "seconds"]) data.delete(name);
    return JSON.stringify([button?.value, ...data]);
  }

  document.addEventListener(
    "submit",
    (event) => {
      const form = event.target;
      if (!workspace().contains(form)) return;
      const answer = answerOf(form, event.submitter);
      if (form.matches("[data-judging]")) {
        form.elements.seconds.value = seconds();
        // The earlier answer may have arrived although we did not hear of it: another answer needs another id.
        if (pending && pending.answer !== answer) form.elements.submission_id.value = newId();
      }
      for (const button of form.querySelectorAll("[aria-pressed]")) button.removeAttribute("aria-pressed");
      event.submitter?.setAttribute("aria-pressed", "true");
      sending = { button: event.submitter, answer, status: 0 };
    },
    true,
  );

  /* what did not arrive */
  function keep(cause, status) {
    if (!sending) return;
    pending = { ...sending, status };
    const box = unsent();
    box.querySelector("[data-unsent-cause]").textContent = cause;
    box.querySelector("[data-unsent-choice]").textContent =
      `Your answer, ${pending.button?.dataset.words ?? "your last one"}, is kept on this page.`;
    box.querySelector("[data-unsent-login]").hidden = status !== 401;
    box.hidden = false;
  }

  async function retry() {
    if (!pending) return;
    const { button, status } = pending;
    if (status === 401 || status === 403) {
      if (!(await refreshToken())) return;
    }
    button.form.requestSubmit(button);
  }

  /* A log-in changes the CSRF token; a fresh page has the new one. False while nobody is logged in. */
  async function refreshToken() {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("#workspace [name=csrfmiddlewaretoken]");
      if (!fresh) {
        keep("You are still logged out.", 401);
        return false;
      }
      for (const input of document.querySelectorAll("[name=csrfmiddlewaretoken]")) input.value = fresh.value;
      return true;
    } catch {
      keep("The server can not be reached.", 0);
      return false;
    }
  }

  document.addEventListener("htmx:sendError", () => keep("Not sent: the server can not be reached.", 0));
  document.addEventListener("htmx:timeout", () => keep("Not sent: the server did not answer in time.", 0));
  document.addEventListener("htmx:responseError", (event) => {
    const status = event.detail.xhr.status;
    if (status === 403) keep("Not stored: this page was open for too long.", 403);
    else keep(`Not stored: the server answered with an error (${status}).`, status);
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const answered = event.detail.xhr.responseURL;
    if (answered && new URL(answered).pathname !== location.pathname) {
      event.detail.shouldSwap = false;
      keep("Not stored: you are logged out.", 401);
    }
  });
  window.addEventListener("online", () => pending?.status === 0 && retry());
  window.addEventListener("beforeunload", (event) => pending && event.preventDefault());

  /* keys */
  function writing(element) {
    return element instanceof Element && element.matches("input, textarea, select, [contenteditable]");
  }

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && writing(event.target)) event.target.blur();
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || writing(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "?") document.getElementById("keys").showModal();
    else if (event.key === "r" && document.getElementById("rationale")) document.getElementById("rationale").focus();
    else {
      const button = workspace().querySelector(`[data-key="${CSS.escape(event.key)}"]`);
      if (!button) return;
      button.click();
    }
    event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-help]")) document.getElementById("keys").showModal();
    if (event.target.closest("[data-unsent-retry]")) retry();
  });

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) watched += performance.now() - since;
    else since = performance.now();
  });

  document.addEventListener("htmx:load", (event) => {
    if (event.detail.elt.id !== "workspace") return;
    sending = null;
    startItem();
    announce();
    window.scrollTo({ top: 0 });
  });
  window.addEventListener("pageshow", startItem);
})();
