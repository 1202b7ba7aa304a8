// Keeps the first page fresh: fetches its content, changes only what differs, redraws the charts.

import { tell } from "./times.js";

const REFRESH_MS = 3000;
const CHART_MS = 10000;
const fresh = document.getElementById("fresh");
const main = document.getElementById("main");
let heard = Date.now();

function keyOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.dataset.key : undefined;
}

// Make `old` like `next` with as few changes as possible, so that focus and selected text survive.
function morph(old, next) {
  if (old.nodeType !== next.nodeType || old.nodeName !== next.nodeName) {
    old.replaceWith(next.cloneNode(true));
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== next.data) old.data = next.data;
    return;
  }
  if (old.hasAttribute("data-keep")) return;
  for (const { name } of [...old.attributes]) if (!next.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of next.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  morphChildren(old, next);
}

function morphChildren(old, next) {
  const keyed = new Map([...old.childNodes].filter(keyOf).map((node) => [keyOf(node), node]));
  let place = old.firstChild;
  for (const wanted of next.childNodes) {
    const key = keyOf(wanted);
    while (!key && place && keyOf(place)) place = place.nextSibling;
    const same = key ? keyed.get(key) : place;
    if (!same) {
      old.insertBefore(wanted.cloneNode(true), place);
      continue;
    }
    if (same === place) place = place.nextSibling;
    else old.insertBefore(same, place);
    keyed.delete(key);
    morph(same, wanted);
  }
  for (const gone of keyed.values()) {
    if (gone === place) place = place.nextSibling;
    gone.remove();
  }
  while (place) {
    const after = place.nextSibling;
    if (!keyOf(place)) place.remove();
    place = after;
  }
}

async function refresh() {
  try {
    const answer = await fetch("/console/board", { headers: { Accept: "text/html" } });
    if (answer.status === 401) return location.reload();
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = page.title;
    tell(page);
    morphChildren(main, page.body);
    heard = Date.now();
  } catch {
    // Told by `tick`, which counts from the last answer.
  }
}

function tick() {
  const seconds = Math.round((Date.now() - heard) / 1000);
  const lost = seconds > 10;
  const said = lost ? `no answer for ${seconds} s, trying again` : "live";
  if (fresh.textContent !== said) fresh.textContent = said;
  fresh.classList.toggle("lost", lost);
}

let range = "1h";
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

function layout(window, more) {
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
    xaxis: { ...axis, type: "date", range: window, showgrid: false, nticks: 6, tickformat: "%H:%M" },
    yaxis: { ...axis, rangemode: "tozero", nticks: 4, ...more },
    barmode: "stack",
    bargap: 0.25,
  };
}

function line(points, name, colour, width, fill) {
  return {
    type: "scatter", mode: points.length > 1 ? "lines" : "markers", name, connectgaps: false,
    x: points.map((point) => local(point[0])), y: points.map((point) => point[1]),
    line: { color: colour, width }, marker: { color: colour, size: 5 }, hovertemplate: "%{y:,.0f} ms",
    ...(fill ? { fill: "tozeroy", fillcolor: fill } : {}),
  };
}

function columns(points, name, colour) {
  return {
    type: "bar", name, x: points.map((point) => local(point[0])), y: points.map((point) => point[1]),
    marker: { color: colour }, hovertemplate: "%{y:,.0f}",
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

// A fleet that is new fills the chart with what there is, ten minutes at least.
function firstShown(data) {
  const times = [data.p50, data.good, data.failed].flatMap((points) => points.slice(0, 1).map((point) => point[0]));
  const first = Math.min(...times, data.end) - (data.end - data.start) / 60;
  return Math.max(data.start, Math.min(first, data.end - 600));
}

async function draw() {
  const answer = await fetch(`/console/chart.json?range=${range}`);
  if (!answer.ok) return;
  const data = await answer.json();
  const Plotly = await loadPlotly();
  const window = [local(firstShown(data)), local(data.end)];
  const options = { displayModeBar: false, responsive: true };
  const empty = ![data.p50, data.good, data.failed].some((points) => points.length);
  document.getElementById("no-chart").hidden = !empty;
  Plotly.react("latency", [
    line(data.p95, "95th percentile", colourOf("--p95"), 1.5),
    line(data.p50, "median", colourOf("--p50"), 2),
  ], layout(window, { ticksuffix: " ms" }), options);
  Plotly.react("runs", [
    columns(data.good, "good", colourOf("--good")),
    columns(data.failed, "failed", colourOf("--critical")),
  ], layout(window, {}), options);
}

// A failed drawing is tried again by the next one; the page says by itself when nobody answers.
const redraw = () => draw().catch(() => undefined);

for (const button of document.querySelectorAll("[data-range]")) {
  button.addEventListener("click", () => {
    range = button.dataset.range;
    for (const one of document.querySelectorAll("[data-range]")) {
      one.setAttribute("aria-pressed", String(one === button));
    }
    redraw();
  });
}

function every(milliseconds, what) {
  setInterval(() => document.hidden || what(), milliseconds);
}

every(REFRESH_MS, refresh);
every(1000, tick);
every(CHART_MS, redraw);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  heard = Math.max(heard, Date.now() - 5000);
  refresh();
  redraw();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
addEventListener("chosen", redraw);
redraw();
