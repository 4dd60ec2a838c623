/* Places in a text: from a selection on the page to code points of the exact text, and back to marks. */

export const toCodePoints = (text, unit) => [...text.slice(0, unit)].length;
export const toUnits = (text, point) => [...text].slice(0, point).join("").length;

/* A text field folds each CR LF and CR into LF; this undoes it for a place in the field. */
export function unfold(text, unit) {
  let at = 0;
  for (let folded = 0; folded < unit; folded += 1) at += text.startsWith("\r\n", at) ? 2 : 1;
  return at;
}

/* The same words, whatever white space stands between them: paragraphs are set apart in another way on the page. */
function places(text, words) {
  const pattern = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("\\s+");
  return [...text.matchAll(new RegExp(pattern, "g"))];
}

/* Where the words selected in the rendered view stand in the exact text, {start, end} in UTF-16 units. Null where
   they are not there verbatim, or where it is not sure which of several places was meant. */
export function findVerbatim(exact, rendered, selected, before) {
  const words = selected.split(/\s+/).filter(Boolean);
  if (!words.length) return null;
  const found = places(exact, words);
  const shown = places(rendered, words);
  const index = shown.findIndex((match) => match.index + match[0].length > before.length);
  if (index < 0 || (found.length !== 1 && found.length !== shown.length)) return null;
  const match = found[found.length === 1 ? 0 : index];
  return match ? { start: match.index, end: match.index + match[0].length } : null;
}

/* Puts <mark> around characters start to end of the element's text; answers the marks. */
export function markText(element, start, end) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const found = [];
  for (let node = walker.nextNode(), at = 0; node && at < end; node = walker.nextNode()) {
    const from = Math.max(start - at, 0);
    const to = Math.min(end - at, node.data.length);
    if (from < to) found.push([node, from, to]);
    at += node.data.length;
  }
  return found.filter(([node, from, to]) => node.data.slice(from, to).trim()).map(([node, from, to]) => {
    const range = document.createRange();
    range.setStart(node, from);
    range.setEnd(node, to);
    const mark = document.createElement("mark");
    range.surroundContents(mark);
    return mark;
  });
}

export function unmark(element) {
  for (const mark of element.querySelectorAll("mark")) mark.replaceWith(...mark.childNodes);
  element.normalize();
}
