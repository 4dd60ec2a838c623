/* The words in which two texts differ: Myers' O(ND) algorithm ("An O(ND) Difference Algorithm and Its Variations",
   Algorithmica 1986) over words, spaces and signs. */

const MOST_EDITS = 3000; // memory grows with its square; texts with more differences have little in common

const pieces = (text) => text.match(/\s+|[\p{L}\p{N}\p{M}_]+|[^\s\p{L}\p{N}\p{M}_]/gu) ?? [];

/* Two lists of [piece of text, differs], one for each text; null where they differ in too much. */
export function difference(left, right) {
  const a = pieces(left);
  const b = pieces(right);
  const common = commonPairs(a, b);
  return common && [runs(a, common.left), runs(b, common.right)];
}

/* Which pieces of each stand in the longest common subsequence. */
function commonPairs(a, b) {
  const kept = { left: new Uint8Array(a.length), right: new Uint8Array(b.length) };
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  const most = Math.min(a.length, b.length) - start;
  while (end < most && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  kept.left.fill(1, 0, start).fill(1, a.length - end);
  kept.right.fill(1, 0, start).fill(1, b.length - end);
  const trace = furthest(a.slice(start, a.length - end), b.slice(start, b.length - end));
  if (!trace) return null;
  walkBack(trace, a.length - start - end, b.length - start - end, (x, y) => {
    kept.left[start + x] = 1;
    kept.right[start + y] = 1;
  });
  return kept;
}

/* For each number of edits, how far each diagonal gets in `a`. */
function furthest(a, b) {
  const most = Math.min(a.length + b.length, MOST_EDITS);
  const trace = [];
  let reach = new Int32Array([0]);
  for (let edits = 0; edits <= most; edits += 1) {
    const now = new Int32Array(2 * edits + 1);
    for (let k = -edits; k <= edits; k += 2) {
      let x = edits === 0 ? 0 : step(reach, edits, k);
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x += 1;
      now[k + edits] = x;
      if (x >= a.length && x - k >= b.length) return [...trace, now];
    }
    trace.push(now);
    reach = now;
  }
  return null;
}

/* How far diagonal k of an earlier round came; -1 off its ends. */
const reached = (reach, k) => reach[k + (reach.length - 1) / 2] ?? -1;

/* Whether diagonal k goes on from the one above (a piece of `b` is new), not from the one below. */
function fromAbove(reach, edits, k) {
  return k === -edits || (k !== edits && reached(reach, k - 1) < reached(reach, k + 1));
}

/* Where diagonal k starts with this many edits. */
function step(reach, edits, k) {
  return fromAbove(reach, edits, k) ? reached(reach, k + 1) : reached(reach, k - 1) + 1;
}

function walkBack(trace, fromX, fromY, keep) {
  let x = fromX;
  let y = fromY;
  for (let edits = trace.length - 1; edits >= 0; edits -= 1) {
    const k = x - y;
    const begin = edits === 0 ? 0 : step(trace[edits - 1], edits, k);
    while (x > begin) keep((x -= 1), (y -= 1));
    if (edits === 0) return;
    if (fromAbove(trace[edits - 1], edits, k)) y -= 1;
    else x -= 1;
  }
}

/* Neighbouring pieces of one kind joined; a lone space between two differences belongs to them. */
function runs(texts, kept) {
  const joined = [];
  texts.forEach((text, index) => {
    const alone = kept[index] && /^\s+$/.test(text) && index > 0 && index + 1 < texts.length;
    const differs = !kept[index] || Boolean(alone && !kept[index - 1] && !kept[index + 1]);
    const last = joined.at(-1);
    if (last && last[1] === differs) last[0] += text;
    else joined.push([text, differs]);
  });
  return joined;
}
