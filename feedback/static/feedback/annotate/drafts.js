/* What is being filled in, kept with every keystroke until its answer is stored. */
import { comparisonOf, fieldsOf, restore } from "./item.js";
import { page } from "./page.js";
import * as store from "./store.js";

const KEPT = 30 * 24 * 3600 * 1000; // milliseconds; an item left for longer has long been somebody else's
const idOf = (comparison) => `${page.owner}:${comparison}`;

/* How many keystrokes are not on the disk yet stands on the page, as what is on its way does. */
let writing = 0;
export async function keepDraft(form) {
  form.dataset.touched = "";
  page.root.dataset.writing = ++writing;
  await keep(comparisonOf(form), fieldsOf(form));
  page.root.dataset.writing = --writing;
}

export function keep(comparison, fields) {
  return store.put("drafts", { id: idOf(comparison), owner: page.owner, fields, at: Date.now() });
}

export async function restoreDraft(form) {
  const draft = await store.get("drafts", idOf(comparisonOf(form)));
  if (draft && !("touched" in form.dataset)) restore(form, draft.fields);
}

export const drop = (comparison) => store.remove("drafts", idOf(comparison));

export async function dropOld() {
  for (const draft of await store.rowsOf("drafts", page.owner)) {
    if (draft.at < Date.now() - KEPT) store.remove("drafts", draft.id);
  }
}
