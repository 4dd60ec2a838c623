/* The live charts of a run: asked for every two seconds while it is under way, drawn by uPlot. */
(() => {
  const PERIOD = 2000;
  const HEIGHT = 220;
  const charts = new Map(); // title: {figure, place, plot, names}
  let timer;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const shown = (value) => (value == null ? "–" : Math.abs(value) >= 1000 || (value && Math.abs(value) < 0.001)
    ? value.toExponential(2) : value.toPrecision(4));

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

  function options(chart, width) {
    const axis = { stroke: colour("--ink-soft"), grid: { stroke: colour("--line"), width: 1 },
      ticks: { stroke: colour("--line"), width: 1 } };
    const lines = chart.lines.map((line, index) => ({
      label: line.name, stroke: colour(`--series-${(index % 5) + 1}`), width: 2, spanGaps: true,
      points: { show: chart.steps.length < 40, size: 5 }, value: (_, value) => shown(value),
    }));
    return { width, height: HEIGHT, scales: { x: { time: false } }, series: [{ label: "step" }, ...lines],
      axes: [axis, { ...axis, size: 60 }], cursor: { drag: { x: false, y: false } },
      hooks: { setCursor: [(plot) => plot.cursor.idx == null && showLast(plot)] } };
  }

  const showLast = (plot) => plot.setLegend({ idx: plot.data[0].length - 1 });

  function draw(chart, container) {
    const entry = charts.get(chart.title) ?? figureFor(chart.title);
    if (!charts.has(chart.title)) {
      charts.set(chart.title, entry);
      container.append(entry.figure);
    }
    const names = chart.lines.map((line) => line.name).join();
    const data = [chart.steps, ...chart.lines.map((line) => line.values)];
    if (entry.plot && entry.names === names) entry.plot.setData(data);
    else {
      entry.plot?.destroy();
      entry.plot = new uPlot(options(chart, entry.place.clientWidth), data, entry.place);
      entry.names = names;
    }
    if (entry.plot.cursor.idx == null) showLast(entry.plot);
    const last = chart.lines.map((line) => `${line.name} ${shown(line.values.findLast((v) => v != null))}`);
    entry.place.setAttribute("aria-label", `${chart.title} by step. Last: ${last.join(", ")}.`);
  }

  async function refresh(container) {
    let live = true;
    clearTimeout(timer);
    try {
      const answer = await fetch(container.dataset.series, { headers: { Accept: "application/json" } });
      if (answer.ok) {
        const series = await answer.json();
        live = series.live;
        series.charts.forEach((chart) => draw(chart, container));
        document.getElementById("charts-empty").hidden = series.charts.length > 0;
      }
    } catch {
      /* the server is away for a moment: the next round asks again */
    }
    clearTimeout(timer);
    if (live) timer = setTimeout(() => refresh(container), PERIOD);
  }

  function redraw(container) {
    for (const entry of charts.values()) entry.names = "";
    refresh(container);
  }

  document.addEventListener("DOMContentLoaded", () => {
    const container = document.getElementById("charts");
    if (!container) return;
    refresh(container);
    new ResizeObserver(() => {
      for (const entry of charts.values()) entry.plot?.setSize({ width: entry.place.clientWidth, height: HEIGHT });
    }).observe(container);
    const repaint = () => redraw(container);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
    document.addEventListener("themechange", repaint);
  });
})();
