/* What is not stored yet, why, and when it will be sent. Quiet while all goes well. */
import { durable } from "./store.js";
import { page, say } from "./page.js";

const banner = document.getElementById("unsent");
const part = (name) => banner.querySelector(`[data-unsent="${name}"]`);
let state = { kind: "idle", count: 0 };
let ticking = 0;

const CAUSES = { away: "unsent-away", out: "unsent-out", other: "unsent-other" };

export function showState(now) {
  state = now;
  clearInterval(ticking);
  const troubled = state.kind in CAUSES || state.failed;
  banner.hidden = !troubled || state.count === 0;
  if (banner.hidden) return;
  draw();
  if (state.retryAt) ticking = setInterval(drawWhen, 1000);
}

function draw() {
  part("cause").textContent = state.failed ? say("unsent-error", { status: state.failed }) : say(CAUSES[state.kind]);
  part("kept").textContent = say(durable() ? "unsent-kept" : "unsent-on-page", { n: state.count });
  part("login").hidden = state.kind !== "out";
  part("retry").hidden = state.kind === "other";
  drawWhen();
}

function drawWhen() {
  const seconds = Math.max(0, Math.round((state.retryAt - Date.now()) / 1000));
  part("when").textContent = state.failed || state.kind === "other" ? "" : say("unsent-when", { n: seconds });
}

export function setUpBanner(sendNow) {
  part("login").href = page.urls.login;
  part("retry").addEventListener("click", sendNow);
  // Whoever logged in in another window comes back to this one.
  addEventListener("focus", () => state.kind === "out" && sendNow());
  // Answers survive the closing of the page, so it asks to stay only where they would not.
  addEventListener("beforeunload", (event) => state.count > 0 && !durable() && event.preventDefault());
}

/* One line above the work, until the next item: a refusal, a gentle word. */
export function notice(sentence, kind = "info") {
  const line = document.getElementById("notice");
  line.className = `flash is-${kind}`;
  line.textContent = sentence;
  line.hidden = !sentence;
}
