/* What the server told this page: who works on what, the addresses, and the words that the script says.

   The words stand translated in <template id="words">. A word with a number has the forms NAME.one and NAME.other,
   chosen by the page's language. */

const root = document.getElementById("workspace");
const rules = new Intl.PluralRules(document.documentElement.lang || "en");
const wordList = new Map(
  [...document.getElementById("words").content.querySelectorAll("[data-word]")].map((element) => [
    element.dataset.word,
    element.textContent.trim().replace(/\s+/g, " "),
  ]),
);
let csrf = root.dataset.csrf;

export const page = {
  root,
  person: root.dataset.person,
  owner: `${root.dataset.person}:${root.dataset.project}`, // whose answers and drafts these are, and in which project
  lease: Number(root.dataset.lease) * 1000, // milliseconds
  urls: {
    annotate: root.dataset.annotateUrl,
    next: root.dataset.nextUrl,
    undo: root.dataset.undoUrl,
    heartbeat: root.dataset.heartbeatUrl,
    release: root.dataset.releaseUrl,
    secondLook: root.dataset.secondLookUrl,
    login: root.dataset.loginUrl,
  },
  get csrf() {
    return csrf;
  },
};

export function say(name, values = {}) {
  const form = "n" in values ? `${name}.${rules.select(values.n)}` : name;
  const sentence = wordList.get(form) ?? wordList.get(`${name}.other`) ?? wordList.get(name) ?? name;
  return sentence.replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
}

/* Read to who can not see the page. The same sentence twice in a row is read twice. */
export function announce(sentence) {
  const place = document.getElementById("announcement");
  place.textContent = place.textContent === sentence ? `${sentence}\u00a0` : sentence;
}

export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID(); // only over https and on localhost
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/* A log-in makes a new token, and perhaps another person. Answers "same", "other", "nobody", "away" or "refused". */
export async function refreshToken() {
  try {
    const answer = await fetch(page.urls.annotate, { headers: { Accept: "text/html" }, redirect: "manual" });
    if (answer.type === "opaqueredirect" || answer.status === 401) return "nobody";
    if (!answer.ok) return answer.status === 403 || answer.status === 404 ? "refused" : "away";
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("workspace");
    if (!fresh) return "nobody";
    if (fresh.dataset.person !== page.person) return "other";
    csrf = fresh.dataset.csrf;
    for (const input of document.querySelectorAll("[name=csrfmiddlewaretoken]")) input.value = csrf;
    return "same";
  } catch {
    return "away";
  }
}

/* What a person chose for this browser; storage may be forbidden, the choice then lasts for the page. */
const choices = new Map();
export function chosen(name, otherwise) {
  try {
    return localStorage.getItem(`annotate.${name}`) ?? choices.get(name) ?? otherwise;
  } catch {
    return choices.get(name) ?? otherwise;
  }
}
export function choose(name, value) {
  choices.set(name, value);
  try {
    localStorage.setItem(`annotate.${name}`, value);
  } catch {
    /* as above */
  }
}
