/* Live charts of one run, or of several over each other: asked for what is new every two seconds, drawn by uPlot. */
(() => {
  const PERIOD = 2000;
  const HEIGHT = 220;
  const runs = []; // {name, url, lines: {name: [steps, values]}, charts, width, cuts, live}
  const figures = new Map(); // title: {figure, place, plot, names}
  let timer;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const shown = (value) => (value == null ? "–" : Math.abs(value) >= 10000 || (value && Math.abs(value) < 0.001)
    ? value.toExponential(2) : value.toPrecision(4));
  const short = (value) => (value && Math.abs(value) < 0.001 ? value.toExponential(1) : String(+value.toPrecision(6)));
  const spoken = (name) => name.replaceAll("_", " ");

  function lastStep(run) {
    return Math.max(0, ...Object.values(run.lines).map(([steps]) => steps.at(-1) ?? 0));
  }

  /* Take in an answer: what is older than its start stays, unless the buckets have changed. */
  function merge(run, answer) {
    const same = answer.width === run.width && answer.cuts === run.cuts;
    const lines = {};
    for (const [name, [steps, values]] of Object.entries(answer.lines)) {
      const [had, held] = (same && run.lines[name]) || [[], []];
      const keep = had.findIndex((step) => step >= answer.from);
      const end = keep < 0 ? had.length : keep;
      lines[name] = [had.slice(0, end).concat(steps), held.slice(0, end).concat(values)];
    }
    const changed = !same || Object.values(answer.lines).some(([steps]) => steps.length);
    Object.assign(run, { lines: same ? { ...run.lines, ...lines } : lines, width: answer.width, cuts: answer.cuts,
      charts: answer.charts, live: answer.live });
    return changed;
  }

  function figureFor(title) {
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    const place = document.createElement("div");
    figure.className = "chart";
    caption.textContent = title;
    place.setAttribute("role", "img");
    figure.append(caption, place);
    return { figure, place, plot: null, names: "" };
  }

  function options(series, few, width) {
    const axis = { stroke: colour("--ink-soft"), grid: { stroke: colour("--line"), width: 1 },
      ticks: { stroke: colour("--line"), width: 1 } };
    const lines = series.map((line) => ({
      label: line.label, stroke: colour(`--series-${(line.colour % 5) + 1}`), width: 2, spanGaps: true,
      dash: line.dash ? [6, 4] : undefined, points: { show: few, size: 5 }, value: (_, value) => shown(value),
    }));
    return { width, height: HEIGHT, scales: { x: { time: false } }, series: [{ label: "step" }, ...lines],
      axes: [axis, { ...axis, size: 64, values: (_, splits) => splits.map(short) }], cursor: { drag: { x: false, y: false } },
      hooks: { setCursor: [(plot) => plot.cursor.idx == null && showLast(plot)] } };
  }

  /* Of every line its newest value, however far apart these are. */
  const showLast = (plot) => plot.setLegend({ idxs: plot.data.map((values) => values.findLastIndex((v) => v != null)) });

  /* Every line of a chart: of one run in colours; of several runs, a colour a run, and dashes from the second name on. */
  function seriesOf(names) {
    return names.flatMap((name, index) => runs.flatMap((run, order) => run.lines[name]
      ? [{ points: run.lines[name], label: runs.length > 1 ? `${run.name}${names.length > 1 ? ` · ${spoken(name)}` : ""}`
        : spoken(name), colour: runs.length > 1 ? order : index, dash: runs.length > 1 && index % 2 === 1 }] : []));
  }

  function draw(title, names, container) {
    const entry = figures.get(title) ?? figureFor(title);
    if (!figures.has(title)) {
      figures.set(title, entry);
      container.append(entry.figure);
    }
    const series = seriesOf(names);
    const data = uPlot.join(series.map((line) => line.points));
    const key = series.map((line) => line.label).join("|");
    if (entry.plot && entry.names === key) entry.plot.setData(data);
    else {
      entry.plot?.destroy();
      entry.plot = new uPlot(options(series, data[0].length < 40, entry.place.clientWidth), data, entry.place);
      entry.names = key;
    }
    if (entry.plot.cursor.idx == null) showLast(entry.plot);
    const last = series.map((line) => `${line.label} ${shown(line.points[1].findLast((v) => v != null))}`);
    entry.place.setAttribute("aria-label", `${title}: ${last.join(", ")}.`);
  }

  function drawAll(container) {
    const titles = new Map(); // title: names, over all runs
    for (const run of runs) {
      for (const chart of run.charts ?? []) {
        titles.set(chart.title, [...new Set([...(titles.get(chart.title) ?? []), ...chart.lines])]);
      }
    }
    titles.forEach((names, title) => draw(title, names, container));
    const empty = document.getElementById("charts-empty");
    if (empty) empty.hidden = titles.size > 0;
  }

  async function ask(run) {
    const have = run.width ? `?after=${lastStep(run)}&width=${run.width}&cuts=${run.cuts}` : "";
    try {
      const answer = await fetch(run.url + have, { headers: { Accept: "application/json" } });
      return answer.ok && merge(run, await answer.json());
    } catch {
      return false; // the server is away for a moment: the next round asks again
    }
  }

  async function refresh(container) {
    clearTimeout(timer);
    const changed = await Promise.all(runs.filter((run) => run.live).map(ask));
    if (changed.some(Boolean) || figures.size === 0) drawAll(container);
    clearTimeout(timer);
    if (runs.some((run) => run.live)) timer = setTimeout(() => refresh(container), document.hidden ? 5 * PERIOD : PERIOD);
  }

  document.addEventListener("DOMContentLoaded", () => {
    const container = document.getElementById("charts");
    if (!container) return;
    for (const source of container.dataset.series ? [container] : document.querySelectorAll("[data-run-series]")) {
      runs.push({ name: source.dataset.name ?? "", url: source.dataset.series ?? source.dataset.runSeries, lines: {},
        charts: [], width: 0, cuts: 0, live: true });
    }
    refresh(container);
    new ResizeObserver(() => {
      for (const entry of figures.values()) entry.plot?.setSize({ width: entry.place.clientWidth, height: HEIGHT });
    }).observe(container);
    const repaint = () => {
      for (const entry of figures.values()) entry.names = "";
      drawAll(container);
    };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
    document.addEventListener("themechange", repaint);
  });
})();
