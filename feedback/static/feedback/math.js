/* Formulas: <span class="math" data-tex="TeX"> becomes what KaTeX draws. On any page that has formulas:
   <script type="module" src="{% static 'feedback/math.js' %}">. KaTeX is fetched only where there is one.

   TeX comes from models and people: `trust` is off (no links, no images, no styles of its own), sizes and expansions
   are bounded. Two commands would write style attributes, which our CSP refuses; they are read as their plain kin. */

const LONGEST = 5_000; // characters of one formula
const OPTIONS = { throwOnError: true, trust: false, strict: "ignore", maxSize: 20, maxExpand: 200 };
const PLAIN = { "\\pmb": "\\boldsymbol{#1}", "\\fcolorbox": "\\colorbox{#2}{#3}" };
let katex = null;

async function load() {
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = new URL("../vendor/katex-0.19.1/katex.min.css", import.meta.url).href;
  document.head.append(style);
  await import("../vendor/katex-0.19.1/katex.min.js");
  return self.katex;
}

/* A formula that KaTeX does not understand stays as it was written. */
export async function drawMath(root) {
  const found = [...root.querySelectorAll(".math[data-tex]:not(.is-drawn)")].filter((span) => span.dataset.tex.length <= LONGEST);
  if (!found.length) return;
  katex ??= load();
  const { render } = await katex;
  for (const span of found) draw(render, span);
}

function draw(render, span) {
  const written = span.textContent;
  span.classList.add("is-drawn");
  try {
    render(span.dataset.tex, span, { ...OPTIONS, macros: { ...PLAIN }, displayMode: span.classList.contains("is-block") });
  } catch {
    span.textContent = written;
  }
}

drawMath(document);
