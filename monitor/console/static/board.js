// Keeps the first page fresh: fetches its content, changes only what differs, redraws the charts.

import { columns, draw, line, ranges, recoloured, shown } from "./charts.js";
import { listen } from "./events.js";
import { tell } from "./times.js";

// At most so often when something happens, and so often when nothing does: times go on.
const SOON_MS = 1500;
const REFRESH_MS = 15000;
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
    const answer = await fetch(`/console/board${location.search}`, { headers: { Accept: "text/html" } });
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

async function drawAll() {
  const answer = await fetch(`/console/chart.json?range=${range()}`);
  if (!answer.ok) return;
  const data = await answer.json();
  const window = shown(data);
  document.getElementById("no-chart").hidden = [data.p50, data.good, data.failed].some((points) => points.length);
  await draw("latency", [line(data.p95, "95th percentile", "--p95"), line(data.p50, "median", "--p50", 2)], window, { ticksuffix: " ms" });
  await draw("runs", [columns(data.good, "good", "--good", data.step), columns(data.failed, "failed", "--critical", data.step)], window);
}

// A failed drawing is tried again by the next one; the page says by itself when nobody answers.
const redraw = () => drawAll().catch(() => undefined);
const range = ranges(redraw);

function every(milliseconds, what) {
  setInterval(() => document.hidden || what(), milliseconds);
}

// The keyboard: / goes to the filter, the arrows from one agent to the next.
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea, details");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    document.querySelector("[name=q]")?.focus();
  }
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const links = [...document.querySelectorAll(".agents .name")];
  const at = links.indexOf(document.activeElement);
  if (!step || at < 0) return;
  event.preventDefault();
  links[at + step]?.focus();
});

let asked;
function soon() {
  asked ??= setTimeout(async () => {
    if (!document.hidden) await refresh();
    asked = undefined;
  }, SOON_MS);
}

listen(soon, () => { heard = Date.now(); });
every(REFRESH_MS, refresh);
every(1000, tick);
every(CHART_MS, redraw);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  heard = Math.max(heard, Date.now() - 5000);
  refresh();
  redraw();
});
recoloured(redraw);
redraw();
