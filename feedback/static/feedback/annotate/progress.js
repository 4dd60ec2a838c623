/* How many are done and left: the server's count, moved at once by what is still on its way. */
const done = document.querySelector("[data-done]");
const left = document.querySelector("[data-left]");
const bar = document.querySelector("[data-progress]");
const numbers = new Intl.NumberFormat(document.documentElement.lang || "en");
let now = { done: Number(bar.value), left: bar.max - bar.value, more: left.dataset.more === "true" };

function draw() {
  done.textContent = numbers.format(now.done);
  left.textContent = (now.more ? "≥ " : "") + numbers.format(Math.max(now.left, 0));
  bar.max = Math.max(now.done + now.left, 1);
  bar.value = now.done;
}

export function count(step) {
  now = { ...now, done: now.done + step, left: now.left - step };
  draw();
}

export function countFrom(progress, onTheirWay) {
  if (!progress) return;
  now = { ...progress };
  count(onTheirWay);
}
