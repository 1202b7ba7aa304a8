// Charts by Plotly, which is loaded when the first of them is drawn, and the tables behind them.

import { clock } from "./times.js";

const OPTIONS = { displayModeBar: false, responsive: true };
let plotly;

function loadPlotly() {
  plotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "/static/plotly.min.js";
    script.onload = () => resolve(window.Plotly);
    script.onerror = reject;
    document.head.append(script);
  });
  return plotly;
}

function layout(window, more = {}) {
  const axis = { gridcolor: colourOf("--line"), linecolor: colourOf("--line"), zeroline: false, fixedrange: true };
  return {
    height: 150,
    margin: { l: 60, r: 6, t: 6, b: 22 },
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    font: { family: "system-ui, sans-serif", size: 11, color: colourOf("--muted") },
    showlegend: false,
    hovermode: "x unified",
    hoverlabel: { bgcolor: colourOf("--panel"), bordercolor: colourOf("--line"), font: { color: colourOf("--ink") } },
    xaxis: { ...axis, type: "date", range: window.map(local), showgrid: false, nticks: 6, tickformat: window[1] - window[0] > 90000 ? "%e %b" : "%H:%M" },
    yaxis: { ...axis, rangemode: "tozero", nticks: 4, ...more },
    barmode: "stack",
    bargap: 0.25,
  };
}

export function line(points, name, colour, width = 1.5, unit = "ms") {
  return {
    said: unit, points, type: "scatter", mode: points.length > 1 ? "lines" : "markers", name, connectgaps: false,
    x: points.map((point) => local(point[0])), y: points.map((point) => point[1]),
    line: { color: colourOf(colour), width }, marker: { color: colourOf(colour), size: 5 }, hovertemplate: `%{y:,.0f} ${unit}`,
  };
}

// `step`: how many seconds a column stands for.
export function columns(points, name, colour, step, format = ",.0f") {
  return {
    said: "", points, type: "bar", name, x: points.map((point) => local(point[0])), y: points.map((point) => point[1]),
    width: step * 750, offset: 0, marker: { color: colourOf(colour) }, hovertemplate: `%{y:${format}}`,
  };
}

// A colour of the stylesheet as it is now, light or dark.
function colourOf(name) {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

// Plotly shows dates as they are written: write them in the time of the one who looks.
function local(seconds) {
  const at = new Date(seconds * 1000);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
}

// A store that is new fills the chart with what there is, ten minutes at least.
export function shown(data) {
  const times = [data.p50, data.good, data.failed].flatMap((points) => points.slice(0, 1).map((point) => point[0]));
  const first = Math.min(...times, data.end) - (data.end - data.start) / 60;
  return [Math.max(data.start, Math.min(first, data.end - 600)), data.end];
}

// Draws into an element; the <details> after it, if there is one, gets the same as a table.
export async function draw(id, traces, window, axis) {
  const Plotly = await loadPlotly();
  const place = document.getElementById(id);
  await Plotly.react(place, traces.map(({ said, points, ...trace }) => trace), layout(window, axis), OPTIONS);
  const body = place.parentElement.querySelector("details tbody");
  if (body) body.replaceChildren(...rows(traces));
}

function rows(traces) {
  const times = [...new Set(traces.flatMap((trace) => trace.points.map((point) => point[0])))].sort((a, b) => a - b);
  const values = traces.map((trace) => new Map(trace.points));
  return times.map((at) => {
    const row = document.createElement("tr");
    const head = row.appendChild(document.createElement("th"));
    head.scope = "row";
    head.textContent = clock(new Date(at * 1000));
    for (const [index, known] of values.entries()) {
      const cell = row.appendChild(document.createElement("td"));
      cell.className = "num";
      const value = known.get(at);
      cell.textContent = value === undefined ? "–" : `${+value.toPrecision(4)} ${traces[index].said}`.trim();
    }
    return row;
  });
}

// Buttons with data-range: which one is pressed, and what to do when another is.
export function ranges(change) {
  const buttons = [...document.querySelectorAll("[data-range]")];
  for (const button of buttons) {
    button.addEventListener("click", () => {
      for (const one of buttons) one.setAttribute("aria-pressed", String(one === button));
      change();
    });
  }
  return () => document.querySelector("[data-range][aria-pressed=true]").dataset.range;
}

// Colours that change are drawn anew.
export function recoloured(redraw) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("chosen", redraw);
}
